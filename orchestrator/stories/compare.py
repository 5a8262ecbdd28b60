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

    @property
    def code(self) -> ExitCode:
        """One place makes a no, whatever else was not compared; a yes needs all."""
        if self.places:
            return ExitCode.NO
        return ExitCode.YES if self.unfinished is None else ExitCode.UNDECIDED


def compare(state: State, asked: Asked, take: Callable[[Place], None]) -> Compared:
    """Compare two results; each place goes to `take` as it is found. Raises TallyError for no side."""
    with sides(state, asked) as (first, second):
        count, files, last = 0, 0, None
        try:
            for place in _places(first, second, asked.limits):
                take(place)
                count, files, last = count + 1, files + (place.file != last), place.file
        except TallyError as error:
            return Compared(count, files, error)
        except MemoryError:
            more = "give more with --max-memory, or compare a part of them"
            return Compared(count, files, TallyError("there was not enough memory to compare all", hint=more))
        return Compared(count, files)


def _places(first: Side, second: Side, limits: Limits) -> Iterator[Place]:
    """Of two releases whose artifacts have two names, as two versions have, those first: they are a pair."""
    until = None if limits.seconds is None else time.monotonic() + limits.seconds
    if (first.path / _INDEX).is_file() and (second.path / _INDEX).is_file():
        from orchestrator.publishing.contents import artifact_of

        names = artifact_of(first.path), artifact_of(second.path)
        if names[0] and names[1] and names[0] != names[1]:
            one, other = (
                Side(each.name, each.path / name) for each, name in zip((first, second), names, strict=True)
            )
            for place in places(one, other, limits):
                yield replace(place, file=f"{names[0]} and {names[1]}")
    left = None if until is None else max(until - time.monotonic(), 0.0)
    yield from places(first, second, replace(limits, seconds=left))


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
