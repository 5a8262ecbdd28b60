"""What rebuilds came to, from run to run: a line each in a file, so that a killed run loses nothing.

Of each release the first and the last time of every verdict stay; what was between goes when a run begins.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from orchestrator.evidence.canonical import MalformedError, member, moment, seconds
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import cannot_write, read_file, shown, write_atomically

FILE: Final = "rebuilds.jsonl"
OPEN: Final = ("undecided", "unattached")
"""Verdicts that a run which goes on tries again."""
_HOLDS: Final = timedelta(days=7)
"""How long a run that goes on takes what it found for what is so."""
_LIMIT: Final = 1 << 28
_LONGEST: Final = 2000  # characters of what is told of one release
_WHAT: Final = "a line of it"


@dataclass(frozen=True, slots=True)
class Entry:
    """What one release came to, once."""

    release: str
    """What it is known by: a digest, else the place."""
    place: str
    verdict: str
    time: datetime
    told: tuple[str, ...] = ()
    run: str = ""

    @property
    def document(self) -> dict[str, Any]:
        return {
            "release": self.release,
            "place": self.place,
            "verdict": self.verdict,
            "time": seconds(self.time),
            "told": list(self.told),
            "run": self.run,
        }

    @classmethod
    def parse(cls, value: Mapping[str, Any]) -> Entry:
        """Raises MalformedError."""
        release, place, verdict, time, run = (
            member(value, name, str, _WHAT) for name in ("release", "place", "verdict", "time", "run")
        )
        told = tuple(str(each) for each in member(value, "told", list, _WHAT))
        return cls(release, place, verdict, moment(time, _WHAT), told, run)


@dataclass(frozen=True, slots=True)
class Course:
    """How long a release has had its verdict, and which one before."""

    verdict: str
    since: datetime
    before: tuple[str, datetime] | None = None
    """The verdict before this one, and when it was the last."""

    @property
    def sentence(self) -> str:
        """`reproduced until X, differs since Y`."""
        until = "" if self.before is None else f"{self.before[0]} until {seconds(self.before[1])}, "
        return f"{until}{self.verdict} since {seconds(self.since)}"

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = {"verdict": self.verdict, "since": seconds(self.since)}
        if self.before is not None:
            found["before"] = {"verdict": self.before[0], "until": seconds(self.before[1])}
        return found


class History:
    """A file, one run at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries: dict[str, list[Entry]] = {}
        self._begun: dict[str, tuple[str, datetime]] = {}
        for line in self._lines():
            self._take(line)
        self._run = ""

    def begin(self, key: str, now: datetime) -> Mapping[str, Entry]:
        """Begin a run; or go on with the one that was begun with the same key and has not ended.

        Gives what that one has done of late, by what each release is known by: what was verified long ago is
        to be verified again. Raises TallyError.
        """
        if key in self._begun:
            self._run, _ = self._begun[key]
            last = {known: entries[-1] for known, entries in self._entries.items()}
            mine = {k: e for k, e in last.items() if e.run == self._run and e.verdict not in OPEN}
            return {known: entry for known, entry in mine.items() if now - entry.time <= _HOLDS}
        self._run = str(uuid4())
        self._entries = {known: list(_thinned(entries)) for known, entries in self._entries.items()}
        lines = [each.document for entries in self._entries.values() for each in entries]
        others = [_begun(*other) for other in self._begun.items()]
        self._begun[key] = self._run, now
        self._rewrite([*lines, *others, _begun(key, self._begun[key])])
        return {}

    def note(self, release: str, place: str, verdict: str, told: Sequence[str]) -> Course:
        """Keep what a release came to, on the disk; how long it is so. Raises TallyError."""
        short = tuple(each[:_LONGEST] for each in told[:20])
        entry = Entry(release, place, verdict, datetime.now(UTC).replace(microsecond=0), short, self._run)
        self._append(entry.document)
        self._entries.setdefault(release, []).append(entry)
        return self.course(release)

    def course(self, release: str) -> Course:
        """How long a release that was noted has had its verdict."""
        streaks = [list(each) for _, each in groupby(self._entries[release], key=lambda one: one.verdict)]
        before = (streaks[-2][-1].verdict, streaks[-2][-1].time) if len(streaks) > 1 else None
        return Course(streaks[-1][0].verdict, streaks[-1][0].time, before)

    def end(self, key: str) -> None:
        """Every release of the run has its line. Raises TallyError."""
        self._append({"ended": key})
        del self._begun[key]

    def _lines(self) -> Iterator[Mapping[str, Any]]:
        if not os.path.lexists(self._path):
            return
        for line in read_file(self._path, "the record ", _LIMIT, "name another file").split(b"\n"):
            try:
                found = json.loads(line) if line else None
            except ValueError:
                continue  # the end of a run that was killed while it wrote
            if isinstance(found, dict):
                yield found

    def _take(self, line: Mapping[str, Any]) -> None:
        try:
            if "begun" in line:
                run = member(line, "run", str, _WHAT)
                self._begun[member(line, "begun", str, _WHAT)] = run, moment(str(line.get("time")), _WHAT)
            elif "ended" in line:
                self._begun.pop(member(line, "ended", str, _WHAT), None)
            else:
                entry = Entry.parse(line)
                self._entries.setdefault(entry.release, []).append(entry)
        except MalformedError as error:
            raise TallyError(
                f"{shown(self._path)} is no record of rebuilds: {error}",
                hint="name another file with --record",
            ) from error

    def _append(self, line: Mapping[str, Any]) -> None:
        try:
            with self._path.open("ab+") as stream:
                if stream.tell():
                    stream.seek(-1, os.SEEK_END)
                    torn = stream.read(1) != b"\n"
                    stream.write(b"\n" if torn else b"")
                stream.write(json.dumps(line).encode() + b"\n")
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise cannot_write(self._path, error) from error

    def _rewrite(self, lines: Iterable[Mapping[str, Any]]) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(self._path, error) from error
        write_atomically(self._path, b"".join(json.dumps(each).encode() + b"\n" for each in lines))


def _begun(key: str, run: tuple[str, datetime]) -> dict[str, Any]:
    return {"begun": key, "run": run[0], "time": seconds(run[1])}


def _thinned(entries: Sequence[Entry]) -> Iterator[Entry]:
    """The first and the last of each verdict."""
    for _, each in groupby(entries, key=lambda one: one.verdict):
        streak = list(each)
        yield streak[0]
        if len(streak) > 1:
            yield streak[-1]
