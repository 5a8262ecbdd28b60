"""Nix's events become times, logs and reasons."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.builders.recording import Record, Recording
from orchestrator.ground.errors import TallyError
from orchestrator.nix.derivation import name_of
from orchestrator.nix.events import BuildFinished, BuildStarted, Event, LogLine, Message, Progress

DRV = f"/nix/store/{'0' * 32}-hello-2.10.drv"


def test_a_build_is_recorded_with_its_whole_log(tmp_path: Path) -> None:
    seen: list[Event] = []
    recording = Recording(tmp_path, seen.append)
    recording.take(BuildStarted(DRV, False))
    for number in range(50):
        recording.take(LogLine(DRV, f"line {number}"))
    assert recording.records[DRV].finished is None
    recording.take(BuildFinished(DRV))
    record = recording.records[DRV]
    assert record.finished is not None and record.finished >= record.started
    assert record.log.read_text().splitlines() == [f"line {number}" for number in range(50)]
    assert list(record.last_lines)[-1] == "line 49"
    assert len(record.last_lines) < 50
    assert len(seen) == 52


def test_only_errors_that_name_a_derivation_are_its_own(tmp_path: Path) -> None:
    recording = Recording(tmp_path, lambda _: None)
    recording.take(Message(0, f"builder for '{DRV}' failed with exit code 1"))
    recording.take(Message(0, "something else"))
    recording.take(Message(1, f"{DRV} is only warned of"))
    assert recording.errors_naming(DRV) == [f"builder for '{DRV}' failed with exit code 1"]
    assert len(recording.errors) == 2


def test_a_log_cut_short_is_kept(tmp_path: Path) -> None:
    recording = Recording(tmp_path, lambda _: None)
    recording.take(BuildStarted(DRV, False))
    recording.take(LogLine(DRV, "so far"))
    recording.close()
    assert recording.records[DRV].finished is None
    assert recording.records[DRV].log.read_text() == "so far\n"


def test_a_full_disk_is_told_with_the_log(tmp_path: Path) -> None:
    """At once, since somebody may be reading along; what could not be written is tried again at the end."""
    other = f"/nix/store/{'1' * 32}-other-1.0.drv"
    for name in ("hello-2.10", "other-1.0"):
        (tmp_path / f"{name}.log").symlink_to("/dev/full")
    recording = Recording(tmp_path, lambda _: None)
    for derivation in (DRV, other):
        recording.take(BuildStarted(derivation, False))
        with pytest.raises(TallyError, match=rf"no room left .*{re.escape(name_of(derivation)[:-4])}\.log"):
            recording.take(LogLine(derivation, "so far"))
    with pytest.raises(TallyError, match=r"no room left .*hello-2\.10\.log"):
        recording.take(BuildFinished(DRV))
    with pytest.raises(TallyError, match=r"no room left .*other-1\.0\.log"):
        recording.close()
    recording.close()


def test_an_end_that_nix_does_not_tell_is_noticed(tmp_path: Path) -> None:
    seen: list[Event] = []
    recording = Recording(tmp_path, seen.append, lambda record: record.derivation == DRV)
    recording.take(BuildStarted(DRV, False))
    recording.take(Progress(1, 2, 0, 0))
    assert recording.records[DRV].finished is not None
    recording.take(BuildFinished(DRV))
    assert len([event for event in seen if isinstance(event, BuildFinished)]) == 1


def test_it_is_looked_for_only_when_the_count_of_builds_changes(tmp_path: Path) -> None:
    asked: list[str] = []

    def is_over(record: Record) -> bool:
        asked.append(record.derivation)
        return False

    recording = Recording(tmp_path, lambda _: None, is_over)
    recording.take(BuildStarted(DRV, False))
    for _ in range(20):  # Nix counts much more than builds, and says that in between
        recording.take(Progress(0, 2, 1, 0))
    assert asked == [DRV]
    recording.take(Progress(1, 2, 1, 0))
    assert asked == [DRV, DRV]
    recording.close()


def test_lines_after_the_end_are_kept_too(tmp_path: Path) -> None:
    recording = Recording(tmp_path, lambda _: None, lambda record: record.derivation == DRV)
    recording.take(BuildStarted(DRV, False))
    recording.take(LogLine(DRV, "before"))
    recording.take(Progress(1, 2, 0, 0))
    recording.take(LogLine(DRV, "after"))
    recording.close()
    assert recording.records[DRV].log.read_text() == "before\nafter\n"


def test_a_build_ended_when_nix_closed_its_log_and_not_when_we_were_told(tmp_path: Path) -> None:
    seen: list[Event] = []
    closed: list[datetime] = []
    recording = Recording(tmp_path, seen.append, log_closed=lambda _: closed[0])
    recording.take(BuildStarted(DRV, True))
    record = recording.records[DRV]
    record.started -= timedelta(seconds=60)
    closed.append(record.started + timedelta(seconds=7))
    recording.take(BuildFinished(DRV))
    assert record.finished == closed[0]
    assert seen[-1] == BuildFinished(DRV, 7.0)


def test_a_log_of_an_earlier_build_is_no_end_of_this_one(tmp_path: Path) -> None:
    recording = Recording(tmp_path, lambda _: None, log_closed=lambda _: datetime(2001, 1, 1, tzinfo=UTC))
    recording.take(BuildStarted(DRV, True))
    recording.take(BuildFinished(DRV))
    record = recording.records[DRV]
    assert record.finished is not None and record.finished >= record.started
