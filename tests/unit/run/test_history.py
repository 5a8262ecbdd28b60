"""The record of rebuilds: what each release came to, since when, and what a run that was killed had done."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.ground.errors import TallyError
from orchestrator.run.history import History

NOW = datetime(2036, 1, 1, tzinfo=UTC)


def test_how_long_it_is_so(tmp_path: Path) -> None:
    path = tmp_path / "new/rebuilds.jsonl"
    for verdict in ("reproduced", "reproduced", "reproduced", "differs"):
        history = History(path)
        assert history.begin("key", NOW) == {}
        course = history.note("sha256:1", "dir:x", verdict, [])
        history.end("key")
    assert course.verdict == "differs"
    assert course.before is not None
    assert course.before[0] == "reproduced"
    assert course.sentence.startswith("reproduced until 20")
    assert ", differs since 20" in course.sentence
    again = History(path)
    again.begin("key", NOW)
    assert len(path.read_text().splitlines()) == 4, "first and last of each verdict, and that a run begins"
    assert again.note("sha256:1", "dir:x", "differs", []).since == course.since
    assert again.note("sha256:2", "dir:y", "reproduced", []).sentence.startswith("reproduced since 20")


def test_a_run_that_was_killed(tmp_path: Path) -> None:
    path, now = tmp_path / "rebuilds.jsonl", datetime.now(UTC)
    first = History(path)
    first.begin("key", now)
    first.note("sha256:1", "dir:x#1", "differs", ["why"])
    first.note("sha256:2", "dir:x#2", "undecided", ["no network"])
    with path.open("a") as stream:
        stream.write('{"release": "sha256:3", "pla')  # killed while it wrote
    other = History(path)
    assert other.begin("another command", now) == {}
    other.end("another command")
    later = now + timedelta(days=8)
    assert History(path).begin("key", later) == {}, "what was verified long ago is verified again"
    second = History(path)
    done = second.begin("key", now)
    assert {known: (each.verdict, each.told) for known, each in done.items()} == {
        "sha256:1": ("differs", ("why",))
    }, "what could not be decided is tried again"
    second.note("sha256:3", "dir:x#3", "reproduced", [])
    second.end("key")
    assert History(path).begin("key", now) == {}, "the next night begins anew"


@pytest.mark.parametrize("line", [{"release": 1}, {"begun": "key"}, {"what": "else"}])
def test_a_file_of_something_else(tmp_path: Path, line: object) -> None:
    path = tmp_path / "rebuilds.jsonl"
    path.write_text(json.dumps(line) + "\n")
    with pytest.raises(TallyError, match="is no record of rebuilds"):
        History(path)


def test_a_record_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TallyError):
        History(tmp_path / "file/rebuilds.jsonl").begin("key", NOW)
