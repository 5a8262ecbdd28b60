"""The lines of requirements.txt: joined, without comments; and who needs what, as comments say. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from orchestrator.dependencies.python.manifest import normalised

_COMMENT: Final = re.compile(r"(^|\s+)#.*$")
_VIA: Final = re.compile(r"^\s*#\s+via\b\s*(.*)$")
_MORE: Final = re.compile(r"^\s*#\s{2,}(\S.*)$")


def logical_lines(physical: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """Lines joined at backslashes, without comments: the number of the first, of the last, the text."""
    held: list[str] = []
    start = 1
    for number, line in enumerate(physical, 1):
        if not held:
            start = number
        comment = line.lstrip().startswith("#")
        if line.endswith("\\") and not comment:
            held.append(line.strip("\\"))
            continue
        # as pip has it: a comment among continued lines ends them
        held.append(" " if comment else line)
        yield start, number, _COMMENT.sub("", "".join(held)).strip()
        held = []
    if held:
        yield start, len(physical), _COMMENT.sub("", "".join(held)).strip()


def users_of(physical: Sequence[str], start: int, end: int) -> tuple[str, ...] | None:
    """Who needs what stands there, by the comment behind it."""
    inline = re.search(r"\s#\s+via\s+(.+)$", physical[end - 1])
    said: list[str] = [inline[1]] if inline else []
    if not inline:
        found = _VIA.match(physical[end]) if end < len(physical) else None
        if found is None:
            return None
        said = [found[1]]
        for line in physical[end + 1 :]:
            more = _MORE.match(line)
            if more is None:
                break
            said.append(more[1])
    users = [user.strip() for each in said for user in each.split(",") if user.strip()]
    users = [user for user in users if not user.startswith("-c ")]  # which only restricts versions
    named = [re.fullmatch(r"([A-Za-z0-9._]+(?:-[A-Za-z0-9._]+)*)(\[.*\])?", user) for user in users]
    said = [normalised(name[1]) if name else user for name, user in zip(named, users, strict=True)]
    return tuple(said) or None
