"""A journal tells what was done and how the run ended, also when it ended badly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.ground.errors import TallyError
from orchestrator.run.journal import kept


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_event_is_a_line_with_its_time(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "journal.jsonl"
    with kept(path) as journal:
        journal.write("planned", targets=["hello"], text="one\ntwo", path=tmp_path)
    first, last = lines(path)
    assert first["event"] == "planned"
    assert first["targets"] == ["hello"]
    assert first["text"] == "one\ntwo"
    assert first["time"].endswith("Z")
    assert last["event"] == "ended"
    assert last["error"] is None


def test_a_bad_end_is_told(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with pytest.raises(KeyboardInterrupt), kept(path):
        raise KeyboardInterrupt
    assert lines(path)[-1]["error"] == "KeyboardInterrupt"


def test_a_journal_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TallyError, match="cannot write"), kept(tmp_path / "file" / "journal.jsonl"):
        pass


def test_a_full_disk_is_said_with_the_journals_place() -> None:
    full = "no room left on the disk to write /dev/full"
    with pytest.raises(TallyError, match=full), kept(Path("/dev/full")) as journal:
        journal.write("planned")
    with pytest.raises(TallyError, match=full), kept(Path("/dev/full")):
        raise KeyboardInterrupt
