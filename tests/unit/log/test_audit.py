"""The whole log looked at: a history that was rewritten, rolled back or damaged is found."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from orchestrator.ground.errors import TallyError
from orchestrator.log import note, tiles
from orchestrator.log.audit import audit
from orchestrator.log.embedded import CHECKPOINT, EmbeddedLog
from orchestrator.log.entry import LogEntry
from orchestrator.log.merkle import EMPTY_ROOT
from orchestrator.log.note import Checkpoint

pytestmark = pytest.mark.usefixtures("_without_waiting_for_the_disk")


def added(log: EmbeddedLog, start: int, end: int) -> Checkpoint:
    """The log's head after it was filled from `start` to `end`."""
    entries: tuple[LogEntry, ...] = log.append([b"entry %d" % number for number in range(start, end)])
    assert entries[0].proof is not None
    return log.checkpoint(entries[0].proof.checkpoint.encode(), "it")


def rewritten(log: EmbeddedLog, entries: list[bytes]) -> None:
    """What the log's owner, who has its key, can do: begin it again with other entries."""
    for name in (CHECKPOINT, "tile"):
        path = log.folder.path / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    EmbeddedLog.opened(log.folder.path).append(entries)


def test_every_older_checkpoint_is_a_beginning(log: EmbeddedLog) -> None:
    older = [Checkpoint(log.instance.origin, 0, EMPTY_ROOT), added(log, 0, 1), added(log, 1, 2)]
    older += [added(log, 2, 255), added(log, 255, 256), added(log, 256, 300), added(log, 300, 600)]
    assert audit(log, older) == (older[-1], ())


@pytest.mark.parametrize("place", [0, 3, 9])
def test_a_rewritten_history_is_found(log: EmbeddedLog, place: int) -> None:
    older = added(log, 0, 10)
    entries = [b"entry %d" % number for number in range(20)]
    entries[place] = b"another"
    rewritten(log, entries)
    assert audit(log)[1] == (), "its owner signed it, and it holds in itself"
    (sentence,) = audit(log, [older])[1]
    assert sentence == (
        "the log was rewritten: its first 10 entries are not those that the older checkpoint was signed over"
    )


def test_what_was_added_after_a_checkpoint_can_be_rewritten_unnoticed_by_it(log: EmbeddedLog) -> None:
    older, newer = added(log, 0, 10), added(log, 10, 20)
    rewritten(log, [*(b"entry %d" % number for number in range(15)), *([b"another"] * 5)])
    assert audit(log, [older])[1] == ()
    assert len(audit(log, [older, newer])[1]) == 1


def test_a_rolled_back_log_is_found(log: EmbeddedLog, tmp_path: Path) -> None:
    added(log, 0, 10)
    shutil.copytree(log.folder.path, tmp_path / "backup")
    older = added(log, 10, 12)
    shutil.rmtree(log.folder.path)
    (tmp_path / "backup").rename(log.folder.path)
    (sentence,) = audit(log, [older])[1]
    assert sentence.startswith("the log was rolled back: it had 12 entries")
    # and it stays found after others were added in the place of those that are gone
    log.append([b"another"] * 2)
    (sentence,) = audit(log, [older])[1]
    assert sentence.startswith("the log was rewritten")


def test_two_checkpoints_that_contradict_each_other(log: EmbeddedLog) -> None:
    one = added(log, 0, 5)
    found = audit(log, [one, Checkpoint(one.origin, 5, bytes(32))])[1]
    assert any("two checkpoints" in each for each in found)


def test_a_checkpoint_of_an_empty_log_that_was_not(log: EmbeddedLog) -> None:
    added(log, 0, 5)
    assert len(audit(log, [Checkpoint(log.instance.origin, 0, bytes(32))])[1]) == 1


@pytest.mark.parametrize("name", ["tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1"])
@pytest.mark.parametrize("position", [0, 17, -1])
def test_a_flipped_byte_in_a_tile_is_found(log: EmbeddedLog, name: str, position: int) -> None:
    added(log, 0, 300)
    path = log.folder.path / name
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)
    (sentence,) = audit(log)[1]
    assert f"{name.partition('.p')[0]} holds" in sentence


@pytest.mark.parametrize(("name", "number"), [("tile/entries/000", 0), ("tile/entries/001.p/44", 256)])
def test_a_flipped_byte_in_an_entry_is_found(log: EmbeddedLog, name: str, number: int) -> None:
    added(log, 0, 300)
    path = log.folder.path / name
    data = bytearray(path.read_bytes())
    data[5] ^= 1
    path.write_bytes(data)
    found = audit(log)[1]
    assert found[0].startswith(f"entry {number} has another hash")
    assert found[-1] == "the 300 entries are not those that the log's checkpoint was signed over"


def test_entries_changed_together_with_their_tiles_are_found(log: EmbeddedLog, tmp_path: Path) -> None:
    """All that can be made consistent without the log's key: the newest checkpoint still says otherwise."""
    added(log, 0, 5)
    other = EmbeddedLog.opened(tmp_path / "other")
    other.append([b"another"] * 5)
    for name in ("tile/0/000.p/5", "tile/entries/000.p/5"):
        shutil.copy(other.folder.path / name, log.folder.path / name)
    assert audit(log)[1] == ("the 5 entries are not those that the log's checkpoint was signed over",)


@pytest.mark.parametrize("name", [CHECKPOINT, "tile/0/001.p/44", "tile/entries/001.p/44", "tile/0/000"])
@pytest.mark.parametrize("harm", ["cut", "gone"])
def test_what_cannot_be_read_decides_nothing(log: EmbeddedLog, name: str, harm: str) -> None:
    added(log, 0, 300)
    path = log.folder.path / name
    if harm == "cut":
        path.write_bytes(path.read_bytes()[:-1])
    else:
        path.unlink()
    with pytest.raises(TallyError, match="is damaged"):
        audit(log)


def test_a_log_that_differs_everywhere_is_told_of_in_few_words(log: EmbeddedLog) -> None:
    added(log, 0, 300)
    path = log.folder.path / "tile/0/000"
    path.write_bytes(bytes(len(path.read_bytes())))
    assert 1 < len(audit(log)[1]) <= 20


def test_checkpoints_of_others_are_none_of_this_log(log: EmbeddedLog, tmp_path: Path) -> None:
    from orchestrator.evidence.canonical import MalformedError

    other = EmbeddedLog.opened(tmp_path / "other")
    data = (other.folder.path / CHECKPOINT).read_bytes()
    assert note.parse_checkpoint(note.parse(data.decode(), "it"), "it").size == 0
    with pytest.raises(MalformedError, match="not signed by the key of"):
        log.checkpoint(data, "it")
    with pytest.raises(MalformedError, match="not text"):
        log.checkpoint(b"\xff", "it")
    assert tiles.levels(0) == range(0)
