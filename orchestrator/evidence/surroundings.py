"""What builds could see of their machines, and in what those of several builders differed. Pure.

Kinds of difference have the names of `tests/corpus`: builds that depend on one of them could not agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from orchestrator.evidence.canonical import MalformedError
from orchestrator.ground.plainly import why

if TYPE_CHECKING:  # who only reads evidence needs nothing of how it is made
    from orchestrator.builders.build import Surroundings

_BY_VALUE: Final = {
    "boot-id": "bootIdSha256",
    "build-cores": "buildCores",
    "cpu-count": "cpuCount",
    "cpu-flags": "cpuFlagsSha256",
    "cpu-model": "cpuModel",
    "device-number": "deviceNumber",
    "directory-order": "directoryOrder",
    "file-system-type": "fileSystemType",
    "kernel-release": "kernel",
    "kernel-version": "kernelVersion",
    "memory-size": "memoryKiB",
}
"""Kind of difference to the member that shows it."""
_MINUTE: Final = 60


def surroundings(of: Surroundings) -> dict[str, str | int]:
    """What a builder's builds could see, as evidence has it."""
    from orchestrator.evidence.canonical import seconds

    found: dict[str, str | int] = {
        "bootIdSha256": of.boot_id,
        "buildCores": of.build_cores,
        "clock": seconds(of.clock),
        "cpuCount": of.cpu_count,
        "cpuFlagsSha256": of.cpu_flags,
        "cpuModel": of.cpu_model,
        "deviceNumber": of.device,
        "directoryOrder": of.directory_order,
        "fileSystemType": of.file_system,
        "kernel": of.kernel,
        "kernelVersion": of.kernel_version,
        "memoryKiB": of.memory,
        "uptimeSeconds": of.uptime,
    }
    if of.started is not None:
        found["started"] = of.started.isoformat(timespec="milliseconds")
    return found


def varied(shown: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The kinds of difference between builders, sorted; `shown` is as `surroundings` gives it.

    A machine that did not show something is not known to differ in it. Raises MalformedError.
    """
    found = {kind for kind, name in _BY_VALUE.items() if len(_values(shown, name)) > 1}
    found.update(_by_time(shown))
    return tuple(sorted(found))


def _by_time(shown: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    starts = _times(shown, "started")
    if any((later - earlier).total_seconds() >= 1 for earlier, later in pairwise(starts)):
        yield "clock-second"
    # the probes are some seconds apart on one clock too
    clocks = _times(shown, "clock")
    if any((later - earlier).total_seconds() >= _MINUTE for earlier, later in pairwise(clocks)):
        yield "clock-minute"
        if len({clock.date() for clock in clocks}) > 1:
            yield "clock-day"
        if len({clock.year for clock in clocks}) > 1:
            yield "clock-year"
    uptimes = sorted(value for value in _values(shown, "uptimeSeconds") if isinstance(value, int))
    if any(later - earlier >= _MINUTE for earlier, later in pairwise(uptimes)):
        yield "uptime"


def _values(shown: Sequence[Mapping[str, Any]], name: str) -> set[str | int]:
    found = [each[name] for each in shown if name in each]
    if not all(isinstance(value, str | int) for value in found):
        raise MalformedError(f"a builder's surroundings have a {name!r} that is neither text nor number")
    return set(found)


def _times(shown: Sequence[Mapping[str, Any]], name: str) -> list[datetime]:
    try:
        return sorted(datetime.fromisoformat(str(value)) for value in _values(shown, name))
    except (ValueError, TypeError) as error:
        raise MalformedError(f"a builder's surroundings have an odd {name!r}: {why(error)}") from None
