"""Calls in build files: `AC_INIT([name], [1.0])`, `find_package(ZLIB REQUIRED)`, `dependency('zlib')`. Pure.

Nothing is evaluated: a call counts wherever it stands, so one below an `if` that never holds counts too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_LONGEST: Final = 20_000  # characters of one call's arguments
_IN_ALL: Final = 2_000_000  # characters that are looked through for a pattern
_PARENTHESES: Final = re.compile("[()]")


@dataclass(frozen=True, slots=True)
class Call:
    """One call."""

    name: str
    text: str
    """What stands between its parentheses."""
    line: int

    def split(self, quotes: str = "[]") -> list[str]:
        """The arguments, at commas outside brackets and quotes, without quotes around the whole of one."""
        parts, depth, begin, quote = [], 0, 0, ""
        for index, character in enumerate(self.text):
            if quote:
                quote = "" if character == quote else quote
            elif character in "'\"" and quotes == "'":
                quote = character
            elif character in "([":
                depth += 1
            elif character in ")]":
                depth -= 1
            elif character == "," and depth == 0:
                parts.append(self.text[begin:index])
                begin = index + 1
        return [_bare(part) for part in (*parts, self.text[begin:])]

    def words(self) -> list[str]:
        """The arguments as CMake has them: at blanks, with double quotes around what has some."""
        return [a or b for a, b in re.findall(r'"((?:[^"\\]|\\.)*)"|([^\s"]+)', self.text)]


def calls(text: str, names: str, comment: str = "#") -> Iterator[Call]:
    """Calls of what a pattern names, in order. `comment` is a pattern that begins one to the line's end."""
    plain = re.sub(rf"(?m)(?:^|(?<=\s))(?:{comment})[^\n]*", "", text)
    line, counted, left = 1, 0, _IN_ALL
    for found in re.finditer(rf"\b({names})\s*\(", plain):
        line += plain.count("\n", counted, found.start())
        counted = found.start()
        inside = _inside(plain, found.end(), min(_LONGEST, left))
        left -= _LONGEST if inside is None else len(inside)
        if inside is not None:
            yield Call(found[1], inside, line)
        if left <= 0:
            return


def _inside(text: str, begin: int, most: int) -> str | None:
    """What stands up to the closing parenthesis; None: there is none near."""
    depth = 1
    for found in _PARENTHESES.finditer(text, begin, begin + most):
        depth += 1 if found[0] == "(" else -1
        if depth == 0:
            return text[begin : found.start()]
    return None


def _bare(part: str) -> str:
    part = part.strip()
    while len(part) > 1 and (part[0], part[-1]) in (("[", "]"), ("'", "'"), ('"', '"')):
        part = part[1:-1].strip()
    return part
