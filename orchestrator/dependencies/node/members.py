"""Packages of a project, and whose wishes are the project's: one member's of a workspace, or all. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from orchestrator.dependencies.dependency import BadLock
from orchestrator.ground.wording import some

_LONGEST: Final = 100
"""Characters of a folder that are compared: comparing takes their square."""
_MOST: Final = 500
"""Folders that are compared."""


@dataclass(frozen=True, slots=True)
class Member:
    """A package of the project, in keys of its lock."""

    asked: tuple[str, ...]
    """What it asks for, other members too."""
    shipped: tuple[str, ...]
    """What its users get of that."""


def asking(
    members: Mapping[str, Member], folder: str, named: str | None, place: str
) -> tuple[frozenset[str], frozenset[str]]:
    """Keys of what the project asks for, and of what its users get of that.

    `members` are by their folders from `folder`, the lock's own; `named` is the folder of the one that is the
    project, None: all are. `place` is what messages call the lock. Raises BadLock where there is none.
    """
    taken = members.values() if named is None else [_of(members, folder, named, place)]
    asked = frozenset(key for each in taken for key in each.asked)
    return asked, frozenset(key for each in taken for key in each.shipped)


def _of(members: Mapping[str, Member], folder: str, named: str, place: str) -> Member:
    known = {posixpath.normpath(posixpath.join(folder, each)): told for each, told in members.items()}
    found = known.get(posixpath.normpath(named))
    if found is None:
        near = _near(named, known)
        hint = f"did you mean {near!r}?" if near else f"its members are {some(sorted(known))[:500]}"
        raise BadLock(place, None, f"it has no member {named[:80]!r}", hint=hint)
    return found


def _near(named: str, known: Iterable[str]) -> str | None:
    from difflib import get_close_matches  # for slips alone

    listed = [each for each in sorted(known) if len(each) <= _LONGEST][:_MOST]
    return next(iter(get_close_matches(named[:_LONGEST], listed, n=1)), None)
