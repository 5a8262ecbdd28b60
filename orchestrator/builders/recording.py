"""What Nix says while it builds, kept: when each derivation started and ended, its log, what went wrong."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import cannot_write
from orchestrator.nix.derivation import called
from orchestrator.nix.events import (
    BuildFinished,
    BuildStarted,
    Event,
    Expected,
    LogLine,
    Message,
    Notice,
    Progress,
)

LAST_LINES = 20


@dataclass
class Record:
    """One derivation's build, as seen from outside."""

    derivation: str
    log: Path
    started: datetime
    checking: bool
    finished: datetime | None = None
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))


class Recording:
    """Takes one builder's events in; used from one thread. Close it to have the logs whole."""

    def __init__(
        self,
        folder: Path,
        on_event: Callable[[Event], None],
        is_over: Callable[[Record], bool] = lambda _: False,
        log_closed: Callable[[str], datetime | None] = lambda _: None,
    ) -> None:
        """`is_over` is asked when Nix counts one more build as done: whether it was this one.

        `log_closed` is when Nix closed a derivation's own log, which is when its build ended, where known.
        """
        self.records: dict[str, Record] = {}
        self.errors: list[str] = []
        self.folder = folder
        self._on_event = on_event
        self._is_over = is_over
        self._log_closed = log_closed
        self._open: dict[str, IO[str]] = {}
        self._progress = Progress()

    def take(self, event: Event) -> None:
        """Record one event and pass it on."""
        match event:
            case BuildStarted(derivation, checking):
                self._start(derivation, checking)
            case LogLine(derivation, text):
                if derivation in self.records:
                    self.records[derivation].last_lines.append(text)
                    self._write(derivation, text)
            case BuildFinished(derivation):
                if derivation not in self._open:
                    return
                event = BuildFinished(derivation, self._finish(derivation))
            case Progress():
                if event == self._progress:
                    return  # it counts something else: files, bytes, what it will have to do
                self._progress = event
                # of what it was asked for, Nix says that it is finished only when it is done with all
                for over in [drv for drv in self._open if self._is_over(self.records[drv])]:
                    self.take(BuildFinished(over))
            case Notice() | Expected():
                pass
            case Message(level, text):
                if level == 0 and text not in self.errors:  # later versions of Nix say some twice
                    self.errors.append(text)
        self._on_event(event)

    def close(self) -> None:
        """Have every log whole. Raises TallyError when the disk refuses, once all are closed."""
        failed: TallyError | None = None
        for derivation in list(self._open):
            try:
                self._close(derivation)
            except TallyError as error:
                failed = failed or error
        if failed is not None:
            raise failed

    @property
    def started(self) -> datetime | None:
        """When the first build began."""
        return min((record.started for record in self.records.values()), default=None)

    def errors_naming(self, derivation: str) -> list[str]:
        """Nix's own error messages that name a derivation."""
        return [text for text in self.errors if derivation in text]

    def forget_errors_naming(self, derivations: Sequence[str]) -> None:
        """Before they are tried again."""
        self.errors = [text for text in self.errors if not any(drv in text for drv in derivations)]

    def _finish(self, derivation: str) -> float:
        """Nix may tell of an end long after it: how many seconds the build took."""
        record, told = self.records[derivation], datetime.now(UTC)
        closed = self._log_closed(derivation)
        record.finished = closed if closed is not None and record.started <= closed <= told else told
        self._close(derivation)
        return (record.finished - record.started).total_seconds()

    def _start(self, derivation: str, checking: bool) -> None:
        log = self.folder / f"{called(derivation)}.log"
        try:
            if not self.records:
                self.folder.mkdir(parents=True, exist_ok=True)
            if derivation in self._open:
                self._close(derivation)
            self._open[derivation] = log.open(
                "w",
                1,  # a line at a time: `tally logs --follow` reads while it is written
                encoding="utf-8",
                errors="surrogateescape",
            )
        except OSError as error:
            raise cannot_write(log, error) from error
        self.records[derivation] = Record(derivation, log, datetime.now(UTC), checking)

    def _close(self, derivation: str) -> None:
        """What is still to be written is written now, and may find no space."""
        stream = self._open.pop(derivation)
        try:
            stream.close()
        except OSError as error:
            raise cannot_write(self.records[derivation].log, error) from error

    def _write(self, derivation: str, text: str) -> None:
        log = self.records[derivation].log
        try:
            if derivation in self._open:
                self._open[derivation].write(text + "\n")
            else:  # Nix may count a build as done before it hands on the last lines
                with log.open("a", encoding="utf-8", errors="surrogateescape") as stream:
                    stream.write(text + "\n")
        except OSError as error:
            raise cannot_write(log, error) from error
