"""yarn.lock as yarn 1 writes it: its entries, line by line, before anything is asked of them. Pure.

No specification; its own reader is `src/lockfile/parse.js` of yarn 1.22. Of that this takes what yarn writes:
entries at the margin, their keys two blanks in, tables of needs four. (A kept reader, pyarn, tells no lines.)
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

from orchestrator.dependencies.dependency import BadLock
from orchestrator.dependencies.node.entries import MOST
from orchestrator.ground.values import dataclass, field

AGAIN: Final = "have yarn write it again: remove it, then `yarn install`"
_WORD: Final = re.compile(r'"(?:[^"\\]|\\.)*+"|[^\s",]+')
_BETWEEN: Final = re.compile(r",? +|$")
_LONGEST: Final = 4000


@dataclass(frozen=True, slots=True)
class Entry:
    """One package. Its texts are a stranger's, and only known to be texts."""

    patterns: tuple[str, ...]
    """Whose askings it answers, as `chalk@^4.0.0`."""
    line: int
    texts: dict[str, str] = field(default_factory=dict)
    """`version`, `resolved`, `integrity`."""
    needs: dict[str, dict[str, str]] = field(default_factory=dict)
    """By the name of the table: names and the ranges that are asked for."""


def entries(text: str, place: str) -> tuple[Entry, ...]:
    """The entries of a lock, in its order. Raises BadLock."""
    found: list[Entry] = []
    seen: dict[str, int] = {}
    table: dict[str, str] | None = None
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line.startswith(("<<<<<<<", "=======", ">>>>>>>")):
            raise BadLock(
                place, number, "it has a conflict of a merge", hint="keep one side, then `yarn install`"
            )
        depth = len(line) - len(line.lstrip(" "))
        words, opens = _words(line, number, place)
        if depth == 0 and opens:
            for pattern in words:
                if pattern in seen:
                    problem = f"{pattern[:200]} stands there already, on line {seen[pattern]}"
                    raise BadLock(place, number, problem, hint=AGAIN)
                seen[pattern] = number
            found.append(Entry(tuple(words), number))
            table = None
            if len(found) > MOST:
                raise BadLock(place, None, f"it has more than {MOST:,} packages", hint="is it a lock file?")
        elif depth == 2 and found and opens and len(words) == 1:
            table = found[-1].needs.setdefault(words[0], {})
        elif depth == 2 and found and not opens and len(words) == 2:
            _set(found[-1].texts, words, number, place)
            table = None
        elif depth == 4 and table is not None and not opens and len(words) == 2:
            _set(table, words, number, place)
        else:
            raise BadLock(place, number, "it is not as yarn 1 writes it", hint=AGAIN)
    return tuple(found)


def _set(table: dict[str, str], words: list[str], number: int, place: str) -> None:
    key, value = words
    if key in table:
        raise BadLock(place, number, f"{key[:80]} stands there twice", hint=AGAIN)
    table[key] = value


def _words(line: str, number: int, place: str) -> tuple[list[str], bool]:
    """The words of a line, and whether something opens with it: a colon is at its end."""
    whole = line.strip()
    opens = whole.endswith(":")
    words = []
    for word in _parted(whole.removesuffix(":")):
        if word is None or len(word) > _LONGEST or not word.isprintable():
            raise BadLock(place, number, "it is not as yarn 1 writes it", hint=AGAIN)
        words.append(word)
    return words, opens


def _parted(text: str) -> Iterator[str | None]:
    """Words, in quotes or not, between blanks or commas; None for what is neither."""
    at = 0
    while at < len(text):
        found = _WORD.match(text, at)
        if found is None:
            yield None
            return
        yield _unquoted(found[0])
        between = _BETWEEN.match(text, found.end())
        if between is None:
            yield None
            return
        at = between.end()


def _unquoted(word: str) -> str | None:
    if not word.startswith('"'):
        return word
    try:
        found = json.loads(word)
    except ValueError:
        return None
    return found if isinstance(found, str) else None
