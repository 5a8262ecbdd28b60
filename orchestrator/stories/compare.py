"""From two names to each place in which they differ: a line a stage.

Sides, brought here -> Places, streamed -> whether they are the same
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from orchestrator.agreement.trees import Side
from orchestrator.ground.errors import ExitCode, TallyError
from orchestrator.ground.state import State
from orchestrator.ground.values import dataclass, field, replace
from orchestrator.places.budget import Limits
from orchestrator.places.place import Place
from orchestrator.places.search import places

_INDEX: Final = "release.json"
_REFERENCE: Final = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*://|dir:)")


@dataclass(frozen=True, slots=True)
class Asked:
    """Two sides, by the words that a user names them with."""

    words: tuple[str, str]
    stores: tuple[str | None, str | None] = (None, None)
    """The address of the store that each is in; None: this machine's, else the orchestrator's."""
    limits: Limits = field(default_factory=Limits)
    plain: bool = False
    """Whether references may be read over http:// from other machines."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What came of it."""

    places: int
    files: int
    unfinished: TallyError | None = None
    """Why not all was compared; None: all was."""
    artifact: bool | None = None
    """Whether the artifacts of two releases are the same; None: there are no two, or it was not seen."""

    @property
    def code(self) -> ExitCode:
        """One place makes a no, whatever else was not compared; a yes needs all."""
        if self.places:
            return ExitCode.NO
        return ExitCode.YES if self.unfinished is None else ExitCode.UNDECIDED


def compare(state: State, asked: Asked, take: Callable[[Place], None]) -> Compared:
    """Compare two results; each place goes to `take` as it is found. Raises TallyError for no side."""
    with sides(state, asked) as (first, second):
        count, files, last, same = 0, 0, None, None
        names = _artifacts(first, second)

        def take_each(found: Iterator[Place]) -> None:
            nonlocal count, files, last
            for place in found:
                take(place)
                count, files, last = count + 1, files + (place.file != last), place.file

        limits = asked.limits
        until = None if limits.seconds is None else time.monotonic() + limits.seconds
        try:
            if names is not None:
                take_each(_of_artifacts(first, second, names, limits))
                same = count == 0
            left = None if until is None else max(until - time.monotonic(), 0.0)
            seen = frozenset({os.fsencode(names[0])}) if names and names[0] == names[1] else frozenset()
            take_each(places(first, second, replace(limits, seconds=left), seen))
        except TallyError as error:
            return Compared(count, files, error, same)
        except MemoryError:
            more = "give more with --max-memory, or compare a part of them"
            why = TallyError("there was not enough memory to compare all", hint=more)
            return Compared(count, files, why, same)
        return Compared(count, files, None, same)


def _artifacts(first: Side, second: Side) -> tuple[str, str] | None:
    """What the artifacts of two releases are called; None: they are no two releases that say so."""
    if not ((first.path / _INDEX).is_file() and (second.path / _INDEX).is_file()):
        return None
    from orchestrator.publishing.contents import artifact_of

    names = artifact_of(first.path), artifact_of(second.path)
    there = all((side.path / name).is_file() for side, name in zip((first, second), names, strict=True))
    return names if all(names) and there else None


def _of_artifacts(first: Side, second: Side, names: tuple[str, str], limits: Limits) -> Iterator[Place]:
    """Where the artifacts differ: they are a pair also where they have two names, as two versions have."""
    one, other = (
        Side(each.name, each.path / name) for each, name in zip((first, second), names, strict=True)
    )
    called = " and ".join(dict.fromkeys(names))
    for place in places(one, other, limits):
        yield replace(place, file=called)


@contextmanager
def sides(state: State, asked: Asked) -> Iterator[tuple[Side, Side]]:
    """Both sides, each on this machine. Raises TallyError."""
    with ExitStack() as ending:
        scratch: list[Path] = []

        def room() -> Path:
            """A new folder for one side."""
            import tempfile

            if not scratch:
                scratch.append(ending.enter_context(state.scratch(f"compare-{os.getpid()}")))
            return Path(tempfile.mkdtemp(dir=scratch[0]))

        first, second = (
            _side(state, *each, room, plain=asked.plain)
            for each in zip(asked.words, asked.stores, strict=True)
        )
        yield first, second


def _side(state: State, word: str, store: str | None, room: Callable[[], Path], *, plain: bool) -> Side:
    if _REFERENCE.match(word) and not Path(word).exists():
        from orchestrator.publishing.reference import parse
        from orchestrator.stories.fetching import bring  # it imports what a release is verified with

        return Side(word, bring(parse(word, plain=plain), room()))
    if not Path(word).exists() or word.startswith("/nix/store/"):
        from orchestrator.run import sides as found  # it imports what a store is read with

        if found.is_stored(word):
            return found.stored(word, store, state, room())
    return local(word)


def local(word: str) -> Side:
    """A file or folder of this machine, links to it followed. Raises TallyError where there is none."""
    if not Path(word).exists():
        raise TallyError(
            f"there is nothing called {word} to compare",
            hint="give a file, a folder, a store path, a release, or a reference such as oci://HOST/REPOSITORY",
        )
    return Side(word, Path(os.path.realpath(word)))
