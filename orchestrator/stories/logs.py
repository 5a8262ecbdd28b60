"""The builds' logs: which there are of a target's last run, and what a run that goes on writes.

A run's logs are files, `logs/RUN/BUILDER/NAME.log` in the state folder. The ledger says whose each is and how
the build ended; of a run that goes on or was killed, its journal says what it was to build.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from orchestrator.ground.errors import TallyError
from orchestrator.ground.state import State
from orchestrator.ground.values import dataclass
from orchestrator.ground.wording import some
from orchestrator.ledger.course import courses
from orchestrator.ledger.entries import Entry, How, Result
from orchestrator.ledger.named import called_so, names_in, unknown, words_of
from orchestrator.ledger.reading import Ledger, read
from orchestrator.nix.derivation import called, name_of

_JOURNAL = "journal.jsonl"
_LONGEST = 1 << 20
"""Bytes of a journal's line that are read: one of 10,000 derivations has less."""
_POLL = 0.2
"""Seconds between two looks at logs that are written."""
_NAMES = ("targets", "rebuilding", "served", "comparing", "foreign")
"""Under which of these a journal says what its run is about."""


@dataclass(frozen=True, slots=True)
class Log:
    """One builder's log of one derivation, in one run."""

    run: str
    builder: str
    name: str
    """The derivation's, as `hello-2.10`."""
    path: Path
    derivation: str | None = None
    """Its `.drv`, where the ledger knows it."""
    how: How | None = None
    """How the build ended; None: it did not, or nobody wrote it down."""
    reason: str | None = None

    @property
    def size(self) -> int | None:
        """In bytes; None: it is gone."""
        try:
            return self.path.lstat().st_size
        except OSError:
            return None

    @property
    def document(self) -> Mapping[str, Any]:
        """As `--json` prints it."""
        return {
            "run": self.run,
            "builder": self.builder,
            "name": self.name,
            "derivation": self.derivation,
            "outcome": None if self.how is None else self.how.value,
            "reason": self.reason,
            "path": str(self.path),
            "size": self.size,
        }


@dataclass(frozen=True, slots=True)
class Logs:
    """A run, and the logs of it that are about a target."""

    run: str
    goes_on: bool
    logs: tuple[Log, ...]
    package: str | None = None
    """The target's own `.drv`, where the run came to a result."""

    def of(self, builder: str | None, derivation: str | None) -> Logs:
        """Those by a builder, and of a derivation: its path, or its name. Raises TallyError for none."""
        found = self.logs
        if builder is not None:
            found = tuple(each for each in found if each.builder == builder)
            if not found:
                names = sorted({each.builder for each in self.logs})
                raise TallyError(
                    f"builder {builder!r} has no log in the run {self.run}",
                    hint=f"those that have are {some(names)}"
                    if names
                    else "`tally history` lists what was built",
                )
        if derivation is not None:
            wanted = {derivation, derivation.removesuffix(".drv")}
            found = tuple(each for each in found if {each.derivation, each.name} & wanted)
            if not found:
                names = sorted({each.name for each in self.logs})
                nearest = get_close_matches(derivation, names, n=1)
                meant = f"did you mean {nearest[0]!r}? " if nearest else ""
                raise TallyError(
                    f"the run {self.run} has no log of {derivation!r}",
                    hint=f"{meant}it has {some(names, 10)}",
                )
        return Logs(self.run, self.goes_on, found, self.package)

    @property
    def foremost(self) -> Log | None:
        """What to show where nobody names a derivation: what failed, else the package, else the latest."""
        there = [each for each in self.logs if each.size is not None]
        for wanted in (
            lambda each: each.how is How.FAILED,
            lambda each: self.package is not None and each.derivation == self.package,
        ):
            if (found := next(filter(wanted, there), None)) is not None:
                return found
        return max(there, key=lambda each: each.path.stat().st_mtime, default=None)


def logs_of(state: State, target: str | None, run: str | None = None) -> Logs:
    """The logs of a target's last run, or of the run that is named. `target` None: whatever it was about.

    A target is named as `tally history` names it, by its recipe's file, or by its `.drv`. Raises TallyError
    for what was never built here.
    """
    going_on = state.running()
    if not state.ledger.exists():  # not even an empty one is made by asking
        raise unknown(target)
    with read(state) as ledger:
        result = _last_result(ledger, target, run)
        journalled = _journalled(state, target, run, None if result is None else result.run)
        if journalled is None and result is None:
            return _of_derivation(state, ledger, target, going_on)
        found = journalled or (result.run if result is not None else "")
        about = result if result is not None and result.run == found else None
        closure = None
        if about is not None and target is not None:
            closure = {*ledger.inputs(about.artifact), about.package, about.artifact}
        entries = [each for each in ledger.entries_of(found) if closure is None or each.derivation in closure]
        logs = _joined(state, found, entries, strangers=closure is None)
        if about is not None and not any(each.derivation == about.package for each in logs):
            # its builders' stores held it: the log is that of the run that built it
            logs = [*logs, *_latest(state, ledger, about.package)]
    return Logs(found, found in going_on, tuple(logs), None if about is None else about.package)


def follow(
    state: State, logs: Logs, builder: str | None, derivation: str | None
) -> Iterator[tuple[Log, bytes]]:
    """Each whole line of the logs of a run that goes on, as it is written, until the run ends.

    Logs that begin later are followed, too.
    """
    read_to: dict[Path, int] = {}
    wanted = None if derivation is None else derivation.removesuffix(".drv")
    if wanted is not None and "/" in wanted:
        wanted = name_of(wanted)
    while True:
        goes_on = (
            logs.run in state.running()
        )  # looked at first: what was written until then is read once more
        for log in sorted(_on_disk(state, logs.run), key=lambda each: (each.builder, each.name)):
            if builder not in (None, log.builder) or wanted not in (None, log.name):
                continue
            for line in _new_lines(log.path, read_to, last=not goes_on):
                yield log, line
        if not goes_on:
            return
        time.sleep(_POLL)


def lines(log: Log, last: int | None = None) -> Iterator[bytes]:
    """A log's lines, none longer than a megabyte; with `last` so many of them.

    Raises TallyError where it is gone.
    """
    try:
        with log.path.open("rb") as stream:
            if last is not None:
                stream.seek(_start_of_last(log.path, last))
            while line := stream.readline(_LONGEST):
                yield line.removesuffix(b"\n")
    except OSError as error:
        raise TallyError(
            f"the log of {log.name} by builder {log.builder} in the run {log.run} cannot be read: "
            f"{error.strerror or error}",
            hint="`tally clean` removes old logs, and the next build writes a new one"
            if isinstance(error, FileNotFoundError)
            else f"see {log.path}",
        ) from error


def outcome_of(state: State, run: str) -> str | None:
    """How a run ended, by its journal; None: it does not say."""
    ended = None
    for event in _events(state, run):
        if event.get("event") == "ended":
            ended = "it ended" if event.get("error") is None else f"it ended: {event['error']}"
    return ended


def _last_result(ledger: Ledger, target: str | None, run: str | None) -> Result | None:
    if target is None:
        found = list(ledger.results(whole=False))
    else:
        those = called_so(courses(ledger.results(whole=False)), target)
        found = [each for course in those for each in course.results]
    found = [each for each in found if run in (None, each.run)]
    return max(found, key=lambda each: each.run, default=None)


def _journalled(state: State, target: str | None, run: str | None, after: str | None) -> str | None:
    """The newest run that was to build it, later than the last result: it goes on, or was killed."""
    words = None if target is None else words_of(target)
    for name in sorted(_run_names(state), reverse=True):
        if after is not None and name <= after and run is None:
            return None
        if run not in (None, name):
            continue
        if run is not None and words is None:
            return name
        for event in _events(state, name):
            if event.get("event") == "planned":
                about = {text for key in _NAMES for text in _texts(event.get(key))}
                about |= set(_texts(event.get("derivations")))
                if words is None or about & words:
                    return name
                break
    return None


def _of_derivation(state: State, ledger: Ledger, target: str | None, going_on: Sequence[str]) -> Logs:
    """What is asked for by its `.drv`, as an input of something that was built."""
    logs = _latest(state, ledger, target) if target is not None and target.endswith(".drv") else []
    if not logs:
        raise unknown(target, names_in(courses(ledger.results(whole=False))))
    return Logs(logs[0].run, logs[0].run in going_on, tuple(logs), target)


def _latest(state: State, ledger: Ledger, derivation: str) -> list[Log]:
    """The logs of the last run in which each builder built a derivation."""
    newest: dict[str, Entry] = {}
    for each in ledger.entries([derivation]):
        if each.log is not None:
            newest[each.builder.name] = each
    return [_log(state, each) for each in newest.values()]


def _joined(state: State, run: str, entries: Sequence[Entry], *, strangers: bool) -> list[Log]:
    """The logs that the ledger tells of; with `strangers`, those besides that lie in the run's folder."""
    told = {log.path: log for log in (_log(state, each) for each in entries if each.log is not None)}
    if strangers:
        for log in _on_disk(state, run):
            told.setdefault(log.path, log)
    return sorted(told.values(), key=lambda each: (each.name, each.builder))


def _log(state: State, entry: Entry) -> Log:
    assert entry.log is not None
    name = called(entry.derivation)
    path = state.root / entry.log  # an absolute one stays
    return Log(entry.run, entry.builder.name, name, path, entry.derivation, entry.how, entry.reason)


def _on_disk(state: State, run: str) -> Iterator[Log]:
    for path in (state.root / "logs" / run).glob("*/*.log"):
        yield Log(run, path.parent.name, path.stem, path)


def _run_names(state: State) -> list[str]:
    try:
        return [each.name for each in os.scandir(state.root / "logs") if each.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def _events(state: State, run: str) -> Iterator[Mapping[str, Any]]:
    """The events of a journal; what is none is passed over, as the line that a killed run did not end."""
    with suppress(OSError), (state.root / "logs" / run / _JOURNAL).open("rb") as stream:
        while line := stream.readline(_LONGEST):
            with suppress(ValueError):
                event = json.loads(line)
                if isinstance(event, dict):
                    yield event


def _texts(value: object) -> list[str]:
    every = value if isinstance(value, list) else [value]
    return [each for each in every if isinstance(each, str)]


def _new_lines(path: Path, read_to: dict[Path, int], *, last: bool) -> Iterator[bytes]:
    """What was added to a file since the last look, in whole lines; `last`: also the line that has no end."""
    begin = read_to.get(path, 0)
    try:
        with path.open("rb") as stream:
            if os.fstat(stream.fileno()).st_size < begin:
                begin = 0  # the derivation is built once more, and its log begun anew
            stream.seek(begin)
            while line := stream.readline(_LONGEST):
                if not line.endswith(b"\n") and len(line) < _LONGEST and not last:
                    break
                begin += len(line)
                yield line.removesuffix(b"\n")
    except OSError:
        return
    finally:
        read_to[path] = begin


def _start_of_last(path: Path, lines: int) -> int:
    """Where the last so many lines of a file begin. Raises OSError."""
    size = path.stat().st_size
    position, seen = size, 0
    with path.open("rb") as stream:
        while position > 0:
            step = min(1 << 16, position)
            stream.seek(position - step)
            part = stream.read(step)
            if position == size and part.endswith(b"\n"):
                seen -= 1  # the end of the last line begins no other
            for place in range(len(part) - 1, -1, -1):
                if part[place] == 10:
                    seen += 1
                    if seen >= lines:
                        return position - step + place + 1
            position -= step
    return 0
