"""Packages of a project, and whose wishes are the project's: one member's of a workspace, or all. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from orchestrator.dependencies.dependency import BadLock, Inside
from orchestrator.dependencies.node.entries import checked
from orchestrator.dependencies.node.graph import reached
from orchestrator.dependencies.node.manifests import FILE, manifest
from orchestrator.dependencies.tree import Tree
from orchestrator.ground.wording import some

_LONGEST: Final = 100
"""Characters of a folder that are compared: comparing takes their square."""
_MOST: Final = 500
"""Folders that are compared."""


@dataclass(frozen=True, slots=True)
class Member:
    """A package of the project, in keys of its lock."""

    key: str
    """What others name to ask for it."""
    asked: tuple[str, ...]
    """What it asks for, other members too."""
    shipped: tuple[str, ...]
    """What its users get of that."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the project asks for."""

    asked: frozenset[str]
    """Keys of all of it."""
    shipped: frozenset[str]
    """Keys of what its users get of that."""
    needed: tuple[str, ...] = ()
    """Folders, from the lock's own, of other members that the one needs that is the project."""

    def parts(self, tree: Tree, folder: str, place: str) -> Iterator[Inside]:
        """The members that it needs, but those that no registry has. Raises BadLock."""
        for each in self.needed:
            own = manifest(tree.read(posixpath.normpath(posixpath.join(folder, each, FILE))), place, each)
            version = own.values.get("version")
            if own.name and version and own.values.get("private") is not True:
                yield Inside(*checked(own.name, version, partial(_bad, place, each)))


def wishes(members: Mapping[str, Member], folder: str, named: str | None, place: str) -> Wishes:
    """What the project asks for, of whose packages these are.

    `members` are by their folders from `folder`, the lock's own; `named` is the folder of the one that is the
    project, None: all are. `place` is what messages call the lock. Raises BadLock where there is none.
    """
    if named is None:
        asked = frozenset(key for each in members.values() for key in each.asked)
        return Wishes(asked, frozenset(key for each in members.values() for key in each.shipped))
    own = _of(members, folder, named, place)
    by_key = {each.key: each for each in members.values()}
    keys = reached(own.asked, lambda key: by_key[key].shipped if key in by_key else ())
    needed = (at for at, each in members.items() if each.key in keys and each is not own)
    return Wishes(frozenset(own.asked), frozenset(own.shipped), tuple(sorted(needed)))


def _bad(place: str, folder: str, problem: str, hint: str | None = None) -> BadLock:
    where = posixpath.join(folder, FILE)
    return BadLock(place, None, f"{where[:200]} beside it: {problem}", hint=hint or "mend it")


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
