"""What of the state folder can go: by kind, by age, by quota. It is listed first, and removed if asked.

Never: what a run that goes on may use, and what is signed of a disagreement; and, unless it is named, what a
disagreement needs that nobody has signed evidence of.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Final, Literal

from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import make_removable
from orchestrator.ground.state import State
from orchestrator.ledger.reading import Ledger, read
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.command import Nix, NixFailed
from orchestrator.signing.gate import DISAGREEMENT

Kind = Literal["logs", "disagreements", "downloads", "outputs"]
KINDS: Final[tuple[Kind, ...]] = ("logs", "disagreements", "downloads", "outputs")
_WHILE_BUILDING: Final[tuple[Kind, ...]] = ("downloads", "outputs")
"""Of which a run that goes on may use any."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Something that can go, as a whole."""

    kind: Kind
    name: str
    """Below the state folder; of an output, the builder's store and the store path."""
    size: int
    """In bytes; of an output, those of its NAR."""
    time: datetime
    """When it was last used, as far as that is known."""

    @property
    def document(self) -> dict[str, object]:
        """As `--json` prints it."""
        time = self.time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        return {"kind": self.kind, "name": self.name, "size": self.size, "time": time}


@dataclass(frozen=True, slots=True)
class Cleaning:
    """What can go, and what stays that would otherwise."""

    pieces: tuple[Piece, ...]
    """By kind, the oldest of each first."""
    stays: tuple[str, ...]
    """Why something stays that is old enough, as sentences."""

    @property
    def size(self) -> int:
        return sum(each.size for each in self.pieces)


def found(
    state: State,
    *,
    older_than: timedelta,
    quota: int | None = None,
    kinds: Collection[Kind] = KINDS,
    now: datetime | None = None,
) -> Cleaning:
    """What of these kinds is older than that; beyond `quota` bytes of a kind, also what is younger.

    Raises TallyError where the ledger cannot be read, which says which outputs agreed.
    """
    return _found(state, older_than, quota, kinds, now or datetime.now(UTC), alone=True)


def _found(
    state: State,
    older_than: timedelta,
    quota: int | None,
    kinds: Collection[Kind],
    now: datetime,
    alone: bool,
) -> Cleaning:
    before = now - older_than
    stays: list[str] = []
    who = _who_goes_on(state, alone)
    pieces: list[Piece] = []
    for kind in (each for each in KINDS if each in kinds):
        if who is not None and kind in _WHILE_BUILDING:
            stays.append(f"all {kind} stay: {who} goes on and may use them")
            continue
        every = sorted(_OF[kind](state, stays), key=lambda each: (each.time, each.name))
        pieces += _old_or_too_many(every, before, quota)
    return Cleaning(tuple(pieces), tuple(stays))


def named(state: State, names: Sequence[str]) -> Cleaning:
    """What these disagreements have, with signed evidence or without; while a run goes on, nothing.

    Raises TallyError for a name that none has.
    """
    return _named(state, names, alone=True)


def _named(state: State, names: Sequence[str], *, alone: bool) -> Cleaning:
    there = {each.name: each for each in _folders(state.disagreements) if not each.name.startswith(".")}
    wanted = {_disagreement_in(there, state, name): None for name in names}
    if (who := _who_goes_on(state, alone)) is not None:
        return Cleaning((), tuple(f"{each} stays: {who} goes on and may use it" for each in wanted))
    pieces: list[Piece] = []
    for each in wanted:
        signed = (each / DISAGREEMENT).is_file()
        pieces += _results(state, each) if signed else _pieces(state, "disagreements", [each])
    return Cleaning(tuple(pieces), ())


def _who_goes_on(state: State, alone: bool) -> str | None:
    """Who may use what is there; None: nobody does."""
    if running := state.running():
        return f"the run {running[0]}"
    return None if alone else "another run, or `tally clean`,"


def _disagreement_in(there: Mapping[str, Path], state: State, name: str) -> Path:
    """By the name of its folder, or the folder itself; never by a target, which may have several."""
    path = Path(name)
    if path.name in there and (path.name == name or path.resolve() == there[path.name].resolve()):
        return there[path.name]
    near = get_close_matches(path.name, there, n=1)
    raise TallyError(
        f"no disagreement is kept in a folder {name!r}",
        hint=(f"did you mean {near[0]!r}? " if near else "")
        + f"give the name of a folder in {state.disagreements}, whole",
    )


def clean_named(
    state: State, say: Callable[[str], None], names: Sequence[str]
) -> tuple[Cleaning, tuple[Piece, ...]]:
    """Find and remove these disagreements; gives what was found, and what went."""
    with state.cleaned() as alone:
        there = _named(state, names, alone=alone)
        return there, remove(state, there, say, whole=True)


def clean(
    state: State,
    say: Callable[[str], None],
    *,
    older_than: timedelta,
    quota: int | None = None,
    kinds: Collection[Kind] = KINDS,
) -> tuple[Cleaning, tuple[Piece, ...]]:
    """Find and remove it; gives what was found, and what went. While it is at it, no run begins.

    Where one goes on, or another cleaning, nothing goes that a run may use.
    """
    with state.cleaned() as alone:
        there = _found(state, older_than, quota, kinds, datetime.now(UTC), alone)
        return there, remove(state, there, say)


def remove(
    state: State, cleaning: Cleaning, say: Callable[[str], None], *, whole: bool = False
) -> tuple[Piece, ...]:
    """Remove what was found; gives what went. What cannot be removed is said, and stops nothing else.

    `whole`: of a disagreement without signed evidence the folder goes, too, and not its results alone.
    """
    gone: list[Piece] = []
    for piece in cleaning.pieces:
        if piece.kind == "outputs":
            continue
        path = state.root / piece.name
        try:
            # what is signed of a disagreement stays: gates are given these folders
            signed = piece.kind == "disagreements" and ((path / DISAGREEMENT).is_file() or not whole)
            for each in _folders(path) if signed else [path]:
                make_removable(each)
                shutil.rmtree(each)
            gone.append(piece)
        except FileNotFoundError:
            continue  # another `tally clean` was first
        except OSError as error:
            say(f"{path} stays: {error.strerror or error}")
    outputs = [each for each in cleaning.pieces if each.kind == "outputs"]
    if outputs:
        gone += _removed(state, outputs, say)
    return tuple(gone)


def _removed(state: State, outputs: Sequence[Piece], say: Callable[[str], None]) -> Iterator[Piece]:
    with state.scratch_of_cleaning(f"clean-{os.getpid()}") as scratch:
        nix = Nix.find(scratch)
        for name in dict.fromkeys(each.name.partition(":")[0] for each in outputs):
            store = ChrootStore(nix, state.store(name))
            asked = {
                each.name.partition(":")[2]: each for each in outputs if each.name.startswith(f"{name}:")
            }
            try:
                for path in store.drop(asked):
                    yield asked[path]
            except NixFailed as error:
                say(f"the store of {name} keeps its outputs: {error.message}")


def _old_or_too_many(pieces: Sequence[Piece], before: datetime, quota: int | None) -> Iterator[Piece]:
    left = sum(each.size for each in pieces)
    for piece in pieces:
        if piece.time < before or (quota is not None and left > quota):
            left -= piece.size
            yield piece


def _logs(state: State, stays: list[str]) -> Iterator[Piece]:
    folders = _folders(state.root / "logs")
    running = state.running()  # after that: a run is told of before it has logs
    yield from _pieces(state, "logs", [each for each in folders if each.name not in running])


def _disagreements(state: State, stays: list[str]) -> Iterator[Piece]:
    for folder in _folders(state.disagreements):
        if folder.name.startswith("."):
            continue  # it is being written, or its writer was killed
        if (folder / DISAGREEMENT).is_file():
            yield from _results(state, folder)
        else:
            stays.append(
                f"{folder} stays: nobody has signed evidence of it, and it may be the only copy; "
                f"`tally clean --disagreement {shlex.quote(folder.name)}` is for removing it all the same"
            )


def _results(state: State, folder: Path) -> Iterator[Piece]:
    """What of a disagreement can go of which evidence is signed, as one piece; nothing where that is gone."""
    results = list(_pieces(state, "disagreements", _folders(folder)))
    if results:
        size, time = sum(each.size for each in results), max(each.time for each in results)
        yield Piece("disagreements", str(folder.relative_to(state.root)), size, time)


def _downloads(state: State, stays: list[str]) -> Iterator[Piece]:
    yield from _pieces(state, "downloads", _folders(state.sources))


def _outputs(state: State, stays: list[str]) -> Iterator[Piece]:
    if not state.ledger.exists():
        return
    with read(state) as ledger:
        agreed = {path: (size, time) for path, size, time in ledger.agreed_outputs()}
        needed = set(_needed(ledger))
    with state.scratch_of_cleaning(f"clean-{os.getpid()}") as scratch:
        nix = Nix.find(scratch)
        roots = [each for each in _folders(state.root / "stores") if each.name != "orchestrator"]
        stores = {root.name: ChrootStore(nix, root) for root in roots}
        there = {name: agreed.keys() - store.invalid(agreed) for name, store in stores.items()}
        # builders are compared by what they all have: what one has to keep, the others keep too
        kept, more = set[str](), needed
        while True:
            kept |= more
            free = {name: store.without_others_users(there[name] - kept) for name, store in stores.items()}
            more = {path for name in stores for path in there[name] - kept - free[name]}
            if not more:
                break
    for name, paths in free.items():
        for path in sorted(paths):
            size, time = agreed[path]
            yield Piece("outputs", f"{name}:{path}", size, time)


def _needed(ledger: Ledger) -> Iterator[str]:
    """Outputs that a disagreement without signed evidence was made with: a diagnosis builds on them."""
    for result in ledger.results(whole=False):
        kept = None if result.kept is None else Path(result.kept)
        if kept is not None and kept.is_dir() and not (kept / DISAGREEMENT).is_file():
            yield from ledger.outputs_of(list(ledger.inputs(result.artifact)))


_OF: Final[Mapping[Kind, Callable[[State, list[str]], Iterable[Piece]]]] = {
    "logs": _logs,
    "disagreements": _disagreements,
    "downloads": _downloads,
    "outputs": _outputs,
}


def _folders(parent: Path) -> list[Path]:
    """The folders in one, links left out. Raises TallyError."""
    try:
        with os.scandir(parent) as entries:
            return sorted(parent / each.name for each in entries if each.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise TallyError(
            f"cannot read the folder {parent}: {error.strerror or error}",
            hint="see that you can read the state folder",
        ) from error


def _pieces(state: State, kind: Kind, folders: Iterable[Path]) -> Iterator[Piece]:
    for folder in folders:
        with suppress(FileNotFoundError):  # another `tally clean` was first
            yield _piece(state, kind, folder)


def _piece(state: State, kind: Kind, folder: Path) -> Piece:
    size, last = 0, folder.lstat().st_mtime
    for path, _, files in os.walk(folder):
        for name in files:
            try:
                status = os.lstat(os.path.join(path, name))  # noqa: PTH118  (names may be no text)
            except OSError:
                continue
            size += status.st_size
            last = max(last, status.st_mtime)
    return Piece(kind, str(folder.relative_to(state.root)), size, datetime.fromtimestamp(last, UTC))
