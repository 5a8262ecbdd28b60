"""A culprit of which the other side was made elsewhere: where it differs, as far as that can be seen here.

A release has its artifact and no other bytes. What differs in it is looked for in what the culprit made here,
where the artifact is packed of that; else two builds here are held against each other.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from orchestrator.agreement.agreement import DifferingOutput
from orchestrator.agreement.trees import Side
from orchestrator.diagnosis.knobs import Setting
from orchestrator.diagnosis.laboratory import Failed, Laboratory
from orchestrator.diagnosis.trials import Key, key_of
from orchestrator.nix.derivation import Derivation
from orchestrator.places.place import Place
from orchestrator.places.search import places

_ODD = frozenset({"", ".", ".."})


@dataclass(frozen=True, slots=True)
class Found:
    """What differs in one output."""

    output: DifferingOutput
    places: tuple[Place, ...]
    more: int = 0
    """Places that are not among these."""


@dataclass(frozen=True)
class Release:
    """What a release's artifact shows, a culprit at a time."""

    artifact: tuple[Found, ...]
    left: set[int] = field(default_factory=set)
    """Those of its places that no culprit has yet."""

    @classmethod
    def of(cls, artifact: tuple[Found, ...]) -> Release:
        return cls(artifact, set(range(sum(len(each.places) for each in artifact))))

    @property
    def rest(self) -> tuple[Found, ...]:
        """What no culprit's files have."""
        numbers, found = count(), []
        for each in self.artifact:
            places = tuple(place for place in each.places if next(numbers) in self.left)
            found.append(replace(each, places=places))
        return tuple(each for each in found if each.places or each.more)

    def shows(self, derivation: Derivation, made: Mapping[str, Path]) -> tuple[Found, ...]:
        """Its places that lie in files that a culprit made, as places there; they are that one's then.

        `made` is output name to what was made here. A member of an archive is taken for the file whose name
        ends its own, the longest such name.
        """
        there: dict[str, list[Place]] = {}
        every = [place for each in self.artifact for place in each.places]
        for number in sorted(self.left):
            for output, tree in made.items():
                if (place := _within(every[number], tree)) is not None:
                    there.setdefault(output, []).append(place)
                    self.left.discard(number)
                    break
        return _found(derivation, there)


def by_itself(lab: Laboratory, turned: Setting) -> tuple[tuple[Found, ...], str | None]:
    """Where builds of it here differ from the one that is there, with nothing turned and with `turned`.

    And why one of them could not be made. Raises TallyError where none can.
    """
    held, failed = lab.held(), None
    there: dict[str, dict[Key, Place]] = {}
    for setting in (Setting(), turned):
        made = lab.build(setting)
        if isinstance(made, Failed):
            failed = made.why
            continue
        for output, place in _apart(held, made.trees):
            there.setdefault(output, {}).setdefault(key_of(output, place), place)
    found = {output: list(places.values()) for output, places in there.items()}
    return _found(lab.graph[lab.derivation], found), failed


def _found(derivation: Derivation, there: Mapping[str, Sequence[Place]]) -> tuple[Found, ...]:
    found = []
    for output, seen in sorted(there.items()):
        path = derivation.outputs[output]
        found.append(Found(DifferingOutput(derivation.path, output, path, {}, inherited=False), (*seen,)))
    return tuple(found)


def _within(place: Place, tree: Path) -> Place | None:
    for number, step in enumerate(place.inside):
        parts = [part for part in step.name.split("/") if part not in _ODD]
        for start in range(len(parts)):
            file = "/".join(parts[start:])
            if os.path.lexists(tree / file):
                return replace(place, file=file, inside=place.inside[number + 1 :])
    return None


def _apart(held: Mapping[str, Path], made: Mapping[str, Path]) -> Iterator[tuple[str, Place]]:
    for output, tree in made.items():
        if tree != held[output]:
            for place in places(Side("one build here", held[output]), Side("another one", tree)):
                yield output, place
