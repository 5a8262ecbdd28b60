"""What Nix says on standard error with `--log-format internal-json`, as typed events. Pure.

The format is that of Nix's `JSONLogger` (src/libutil/logging.cc); its numbers are `ActivityType` and
`ResultType` of logging.hh, unchanged from Nix 2.8 to 2.34. What a later version adds is passed on as a
Message or as Progress.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from orchestrator.ground.values import dataclass, field

ERROR = 0
"""The level of Nix's errors; warnings are 1, and what is less important is higher."""
WARNING = 1
INFO = 3

_PREFIX = "@nix "
_ACTIVITY_BUILDS = 104
_ACTIVITY_BUILD = 105
_RESULT_LOG_LINE = 101
_RESULT_PROGRESS = 105
_RESULT_POST_BUILD_LOG_LINE = 107
_PATH_FAULTS = {102: "is not trusted", 103: "is corrupted"}

_CHECKING = "checking outputs of "
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


@dataclass(frozen=True, slots=True)
class BuildStarted:
    """Nix starts to build a derivation, or, `checking`, to build it again beside its earlier result."""

    derivation: str
    checking: bool
    machine: str = ""
    """The machine behind the store that Nix gave the build to; empty for the store's own."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line that the build of a derivation wrote, as it wrote it."""

    derivation: str
    text: str


@dataclass(frozen=True, slots=True)
class BuildFinished:
    """Nix has ended the build of a derivation, well or not: only an error that names it tells."""

    derivation: str
    seconds: float | None = None
    """How long it took, where that is known better than by when we were told."""


@dataclass(frozen=True, slots=True)
class Message:
    """Something that Nix says itself, without colours. A line that is no event of ours is one too."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How many builds Nix counts, as it last said."""

    done: int = 0
    expected: int = 0
    running: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Notice:
    """What we say of a builder ourselves, for whoever looks on."""

    text: str


@dataclass(frozen=True, slots=True)
class Expected:
    """What a builder is going to build, as we know it ourselves before Nix begins."""

    inputs: Mapping[str, tuple[str, ...]]
    """Each derivation to those of the others that it needs."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """How long one took when it was built last, where that is known."""


Event = BuildStarted | LogLine | BuildFinished | Message | Progress | Notice | Expected


class EventParser:
    """Reads the lines of one invocation of Nix, in their order: its numbers mean nothing to another."""

    def __init__(self) -> None:
        self._builds: dict[int, str] = {}
        """Activity id to the derivation being built."""
        self._counting: set[int] = set()
        """The ids of the activities that count builds."""
        self._progress = Progress()

    def parse(self, line: str) -> Event:
        """The event in one line, without its line feed."""
        if not line.startswith(_PREFIX):
            return _unstructured(line)
        try:
            value = json.loads(line[len(_PREFIX) :])
        except (ValueError, RecursionError):
            return _unstructured(line)
        if not isinstance(value, dict):
            return _unstructured(line)
        match value.get("action"):
            case "start":
                return self._start(value)
            case "result":
                return self._result(value)
            case "stop":
                return self._stop(value)
            case "msg":
                return _message(value)
            case _:
                return _unstructured(line)

    def _start(self, value: dict[str, Any]) -> Event:
        number, kind, fields = _integer(value.get("id")), value.get("type"), _fields(value)
        text = value.get("text")
        text = plain(text) if isinstance(text, str) else ""
        if kind == _ACTIVITY_BUILD and number is not None and fields and isinstance(fields[0], str):
            self._builds[number] = fields[0]
            machine = fields[1] if len(fields) > 1 and isinstance(fields[1], str) else ""
            return BuildStarted(fields[0], text.startswith(_CHECKING), machine)
        if kind == _ACTIVITY_BUILDS and number is not None:
            self._counting.add(number)
        # an activity can have level 0 to be shown always: that does not make its title an error
        level = max(_integer(value.get("level")) or INFO, INFO)
        return Message(level, text) if text else self._progress

    def _result(self, value: dict[str, Any]) -> Event:
        number, kind, fields = _integer(value.get("id")), value.get("type"), _fields(value)
        first = fields[0] if fields else None
        if kind in (_RESULT_LOG_LINE, _RESULT_POST_BUILD_LOG_LINE) and isinstance(first, str):
            derivation = None if number is None else self._builds.get(number)
            if derivation is not None and kind == _RESULT_LOG_LINE:
                return LogLine(derivation, first)
            return Message(INFO, plain(first))
        if kind in _PATH_FAULTS and isinstance(first, str):
            return Message(WARNING, f"{plain(first)} {_PATH_FAULTS[kind]}")
        if kind == _RESULT_PROGRESS and number in self._counting:
            counts = [count for item in fields if (count := _integer(item)) is not None]
            if len(counts) == len(fields) == len(Progress.__match_args__):
                self._progress = Progress(*counts)
        return self._progress

    def _stop(self, value: dict[str, Any]) -> Event:
        number = _integer(value.get("id"))
        derivation = None if number is None else self._builds.pop(number, None)
        return self._progress if derivation is None else BuildFinished(derivation)


def plain(text: str) -> str:
    """Text without terminal escape sequences: Nix colours its messages even for a pipe."""
    return _ESCAPE.sub("", text)


def _message(value: dict[str, Any]) -> Message:
    level = _integer(value.get("level"))
    text = value.get("raw_msg") or value.get("msg") or ""
    text = plain(text) if isinstance(text, str) else json.dumps(text)
    return Message(
        INFO if level is None else level, text.removeprefix("error:").removeprefix("warning:").strip()
    )


def _unstructured(line: str) -> Message:
    text = plain(line)
    # what Nix says before its logger stands, or as it dies, comes without JSON
    level = ERROR if text.startswith("error:") else WARNING if text.startswith("warning:") else INFO
    return Message(level, _without_rank(text))


def _without_rank(text: str) -> str:
    return text.removeprefix("error:").removeprefix("warning:").strip()


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _fields(value: dict[str, Any]) -> list[Any]:
    fields = value.get("fields")
    return fields if isinstance(fields, list) else []
