"""In what builders' surroundings differed is told from what was seen, and never assumed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestrator.builders.build import Surroundings
from orchestrator.evidence.canonical import MalformedError
from orchestrator.evidence.surroundings import surroundings, varied

NOW = datetime(2026, 11, 22, 10, 0, 30, tzinfo=UTC)
SEEN = Surroundings(
    boot_id="aa", kernel="Linux 6.1", kernel_version="#1 SMP", cpu_model="A CPU", cpu_flags="ff", cpu_count=4,
    build_cores=4, memory=8_000_000, file_system="ext4", device=65024, directory_order="0123", clock=NOW,
    uptime=5000, system="x86_64-linux", started=NOW,
)  # fmt: skip


def differing(**changes: Any) -> tuple[str, ...]:
    return varied([surroundings(SEEN), surroundings(replace(SEEN, **changes))])


def test_equal_surroundings_differ_in_nothing() -> None:
    assert differing() == ()


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({"boot_id": "bb"}, ("boot-id",)),
        ({"kernel": "Linux 2.6.78"}, ("kernel-release",)),
        ({"kernel_version": "#2 SMP"}, ("kernel-version",)),
        ({"cpu_model": "Another"}, ("cpu-model",)),
        ({"cpu_flags": "00"}, ("cpu-flags",)),
        ({"cpu_count": 2}, ("cpu-count",)),
        ({"build_cores": 2}, ("build-cores",)),
        ({"memory": 1}, ("memory-size",)),
        ({"file_system": "tmpfs"}, ("file-system-type",)),
        ({"device": 42}, ("device-number",)),
        ({"directory_order": "4567"}, ("directory-order",)),
        ({"uptime": 5030}, ()),
        ({"uptime": 34_560_000}, ("uptime",)),
        ({"clock": NOW + timedelta(seconds=20)}, ()),
        ({"clock": NOW + timedelta(minutes=2)}, ("clock-minute",)),
        ({"clock": NOW + timedelta(days=2)}, ("clock-day", "clock-minute")),
        ({"clock": NOW + timedelta(days=4000)}, ("clock-day", "clock-minute", "clock-year")),
        ({"started": NOW + timedelta(seconds=0.9)}, ()),
        ({"started": NOW + timedelta(seconds=1.2)}, ("clock-second",)),
        ({"started": None}, ()),
    ],
)
def test_each_kind(changes: dict[str, Any], kinds: tuple[str, ...]) -> None:
    assert differing(**changes) == kinds


def test_what_a_machine_did_not_show_is_not_known_to_differ() -> None:
    assert varied([surroundings(SEEN), {}]) == ()
    assert varied([]) == ()


@pytest.mark.parametrize("name", ["kernel", "clock", "uptimeSeconds"])
@pytest.mark.parametrize("value", [None, [], {}, 1.5])
def test_what_is_neither_text_nor_number_is_malformed(name: str, value: object) -> None:
    with pytest.raises(MalformedError, match=name):
        varied([{**surroundings(SEEN), name: value}])


@pytest.mark.parametrize("value", ["", "yesterday", 7, "2026-11-22T10:00:30"])
def test_what_is_no_time_is_malformed(value: object) -> None:
    with pytest.raises(MalformedError, match="clock"):
        varied([surroundings(SEEN), {**surroundings(SEEN), "clock": value}])
