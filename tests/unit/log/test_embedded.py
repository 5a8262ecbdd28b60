"""The embedded log: entries with proofs, in any number of processes, whatever a run left when it ended."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.ground.errors import TallyError
from orchestrator.log import note, tiles
from orchestrator.log.audit import audit
from orchestrator.log.embedded import CHECKPOINT, KEY, EmbeddedLog
from orchestrator.log.entry import LogEntry
from orchestrator.log.merkle import EMPTY_ROOT, leaf_hash, verify_inclusion
from orchestrator.log.note import Checkpoint
from orchestrator.log.trusted_root import TRUSTED_ROOT

BODY = b"a log entry of about the size that a signature of a P-256 key has, which is 560 bytes" + b"." * 475

pytestmark = pytest.mark.usefixtures("_without_waiting_for_the_disk")


def filled(log: EmbeddedLog, size: int) -> EmbeddedLog:
    log.append([b"%d" % number + BODY for number in range(size)])
    return log


def check(log: EmbeddedLog, entry: LogEntry) -> None:
    """The entry's proof holds, by what it carries and the log's public key alone."""
    assert entry.proof is not None
    signed = note.parse(entry.proof.checkpoint, "it")
    head = note.parse_checkpoint(signed, "it")
    assert signed.signed_by(log.key)
    assert (head.origin, head.size, head.root) == (log.instance.origin, entry.proof.size, entry.proof.root)
    assert verify_inclusion(entry.index, head.size, leaf_hash(entry.body), entry.proof.hashes, head.root)


def head(log: EmbeddedLog) -> Checkpoint:
    with log.reading() as found:
        return found


def sound(log: EmbeddedLog, *older: Checkpoint) -> bool:
    return audit(log, older)[1] == ()


def files(log: EmbeddedLog) -> set[str]:
    root = log.folder.path
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def test_a_log_begins_empty_with_a_key_that_only_its_owner_reads(log: EmbeddedLog) -> None:
    assert head(log) == Checkpoint(log.instance.origin, 0, EMPTY_ROOT)
    assert files(log) == {KEY, TRUSTED_ROOT, CHECKPOINT}
    assert stat.S_IMODE((log.folder.path / KEY).stat().st_mode) == 0o600
    assert log.instance.origin.endswith(".log.tallystick.example")
    assert EmbeddedLog.opened(log.folder.path) == log
    assert sound(log)


def test_two_logs_never_have_one_name(log: EmbeddedLog, tmp_path: Path) -> None:
    other = EmbeddedLog.opened(tmp_path / "other").instance
    assert other.origin != log.instance.origin
    assert other.log_id != log.instance.log_id


def test_entries_have_their_places_and_proofs(log: EmbeddedLog) -> None:
    found = [*log.append([b"one"]), *log.append([b"two", b"three"]), *log.append([])]
    assert [each.index for each in found] == [0, 1, 2]
    assert [each.body for each in found] == [b"one", b"two", b"three"]
    for each in found:
        check(log, each)
    assert sound(log)


@pytest.mark.parametrize("size", [255, 256, 257, 511, 600])
def test_proofs_hold_across_tiles(log: EmbeddedLog, size: int) -> None:
    (first,) = log.append([b"first"])
    rest = log.append([b"%d" % number for number in range(size - 1)])
    (last,) = log.append([b"last"])
    for each in (first, rest[0], rest[-1], last):
        check(log, each)
    assert head(log).size == size + 1
    assert sound(
        log,
        *(
            note.parse_checkpoint(note.parse(each.proof.checkpoint, ""), "")
            for each in (first, rest[0], last)
            if each.proof
        ),
    )


def test_one_by_one_gives_the_tree_that_all_at_once_gives(log: EmbeddedLog, tmp_path: Path) -> None:
    entries = [b"%d" % number for number in range(300)]
    log.append(entries)
    other = tmp_path / "other"
    shutil.copytree(log.folder.path, other)
    for each in [CHECKPOINT, "tile"]:
        shutil.rmtree(other / each) if (other / each).is_dir() else (other / each).unlink()
    one_by_one = EmbeddedLog.opened(other)
    for entry in entries:
        one_by_one.append([entry])
    assert head(one_by_one) == head(log)
    assert files(one_by_one) == files(log)


def test_only_the_widest_of_partial_tiles_stays(log: EmbeddedLog) -> None:
    for number in range(20):
        log.append([b"%d" % number])
    assert files(log) == {KEY, TRUSTED_ROOT, CHECKPOINT, "tile/0/000.p/20", "tile/entries/000.p/20"}
    log.append([b"x"] * 236)
    assert files(log) == {
        KEY, TRUSTED_ROOT, CHECKPOINT, "tile/0/000", "tile/1/000.p/1", "tile/entries/000",
    }  # fmt: skip


def test_an_entry_takes_less_than_two_kilobytes_of_disk(log: EmbeddedLog) -> None:
    for number in range(600):
        log.append([b"%d" % number + BODY])
    used = sum(path.lstat().st_blocks * 512 for path in log.folder.path.rglob("*"))
    assert used / 600 < 2000


def test_an_entry_larger_than_its_length_can_be_written_is_refused(log: EmbeddedLog) -> None:
    with pytest.raises(TallyError, match="too large"):
        log.append([b"fine", bytes(tiles.LARGEST_ENTRY + 1)])
    assert head(log).size == 0


def in_child(action: Callable[[], object]) -> int:
    """Run something in another process, as a fork; its exit status."""
    child = os.fork()
    if child == 0:
        try:
            action()
        except BaseException:  # noqa: BLE001  a child of pytest's must not go on as pytest
            os._exit(1)
        os._exit(0)
    return child


def status(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_two_processes_append_at_the_same_time(log: EmbeddedLog) -> None:
    """200 entries each, one by one: none is lost, none is there twice, each proof holds."""
    folder = log.folder.path

    def append(name: str) -> None:
        own = EmbeddedLog.existing(folder)
        for number in range(200):
            for entry in own.append([b"%s %d" % (name.encode(), number)]):
                check(own, entry)

    children = [in_child(lambda name=name: append(name)) for name in ("a", "b")]
    assert [status(child) for child in children] == [0, 0]
    assert head(log).size == 400
    assert sound(log)
    there = [entry for index, width in tiles.tiles_of("entries", 400) for entry in log.entries(index, width)]
    for name in ("a", "b"):
        own = [entry for entry in there if entry.startswith(name.encode())]
        assert own == [b"%s %d" % (name.encode(), number) for number in range(200)]


def test_a_log_is_begun_once_by_two_processes(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    children = [in_child(lambda: EmbeddedLog.opened(folder).append([b"x"])) for _ in range(4)]
    assert [status(child) for child in children] == [0] * 4
    log = EmbeddedLog.existing(folder)
    assert head(log).size == 4
    assert sound(log)


STEPS = ("open", "mkdir", "fsync", "replace", "unlink", "rmdir")


def killed_at(step: int, action: Callable[[], object]) -> bool:
    """Run something in a process that is gone, as by SIGKILL, before its call number `step` that changes the
    disk; whether it came that far."""

    def run() -> None:
        left = step

        def counting(name: str) -> Callable[..., object]:
            real = getattr(os, name)

            def call(*arguments: object, **options: object) -> object:
                nonlocal left
                if left == 0:
                    os._exit(9)
                left -= 1
                return real(*arguments, **options)

            return call

        for name in STEPS:
            setattr(os, name, counting(name))
        action()

    code = status(in_child(run))
    assert code in (0, 9), code
    return code == 9


@pytest.mark.parametrize(
    ("size", "entries"),
    [
        (0, 1),
        (3, 3),
        (254, 3),
        (255, 1),
        (255, 3),
        (256, 1),
    ],  # a tile has 256: none, within, up to it, across
)
def test_killed_anywhere_in_an_append(tmp_path: Path, size: int, entries: int) -> None:
    """The log is what it was or what it was to be, and goes on from there."""
    original = filled(EmbeddedLog.opened(tmp_path / "log"), size)
    before, step = head(original), 0
    while True:
        folder = tmp_path / f"killed-{step}"
        shutil.copytree(original.folder.path, folder)
        log = EmbeddedLog.existing(folder)
        killed = killed_at(step, lambda log=log: log.append([b"new"] * entries))
        assert head(log).size in ((size, size + entries) if killed else (size + entries,))
        assert sound(log, before), step
        now = head(log).size
        (entry,) = log.append([b"after"])
        check(log, entry)
        assert entry.index == now
        assert sound(log, before), step
        partial = [name for name in files(log) if ".p/" in name]
        assert len(partial) == len({Path(name).parent for name in partial}), partial
        log.append([b"more"] * (259 - now % 256))  # folders of full tiles are swept when one is added
        assert not [name for name in files(log) if name.endswith(".tmp")], step
        shutil.rmtree(folder)
        if not killed:
            break
        step += 1
    assert step > 10


@pytest.mark.parametrize("size", [0, 3, 255, 256])
def test_nothing_is_promised_before_it_is_on_the_disk(
    log: EmbeddedLog, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """What a power cut would take is not what the checkpoint needs: the order of what reaches the disk."""
    filled(log, size)
    before, synced = files(log), []

    def sync(descriptor: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}")).relative_to(log.folder.path).as_posix()
        synced.append((path, head_size(log), files(log)))

    def head_size(log: EmbeddedLog) -> int:
        return int((log.folder.path / CHECKPOINT).read_text().split("\n")[1])

    monkeypatch.setattr(os, "fsync", sync)
    log.append([b"new"])
    new = files(log) - before
    assert new
    early = [path for path, at, _ in synced if at == size]
    late = [path for path, at, _ in synced if at == size + 1]
    for name in new:
        path = Path(name)
        assert (path.parent / f".{path.name}.tmp").as_posix() in early, "its bytes"
        assert path.parent.as_posix() in early, "its name"
        made = [each for each in path.parents if f"{each.as_posix()}/" not in "".join(before)]
        assert all(each.parent.as_posix() in early for each in made if each != Path()), "its folders' names"
    assert early[-1] == f".{CHECKPOINT}.tmp"
    assert late == ["."]
    assert all(before <= there for _, _, there in synced), "nothing goes before the new checkpoint is there"


def test_killed_anywhere_in_its_beginning(tmp_path: Path) -> None:
    step, folder = 0, tmp_path / "killed-0"
    while killed_at(step, lambda folder=folder: EmbeddedLog.opened(folder)):
        log = EmbeddedLog.opened(folder)
        check(log, *log.append([b"x"]))
        assert sound(log)
        assert stat.S_IMODE((log.folder.path / KEY).stat().st_mode) == 0o600
        step += 1
        folder = tmp_path / f"killed-{step}"
    assert step > 10


def test_a_full_disk_adds_nothing(log: EmbeddedLog, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(log, 3)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(TallyError, match="no room left"):
            log.append([b"x"])
    assert head(log).size == 3
    assert sound(log)


def test_a_log_that_could_not_begin(tmp_path: Path) -> None:
    """On a full disk, for instance: it is not damaged, and begins the next time."""
    step, said, folder = 0, set(), tmp_path / "killed-0"
    while killed_at(step, lambda folder=folder: EmbeddedLog.opened(folder)):
        if not (folder / CHECKPOINT).exists():
            with pytest.raises(TallyError) as caught:
                EmbeddedLog.existing(folder)
            assert caught.value.hint
            said.add(caught.value.message.replace(str(folder), "LOG"))
        step += 1
        folder = tmp_path / f"killed-{step}"
    assert said == {
        "there is no log in LOG yet",
        "the log in LOG has not begun: it has a key, and no checkpoint and no entries",
    }


class TestDamage:
    """What is broken is told, and nothing is ever added to it."""

    @pytest.fixture
    def log(self, tmp_path: Path) -> EmbeddedLog:
        return filled(EmbeddedLog.opened(tmp_path / "log"), 300)

    def refuses(self, log: EmbeddedLog, match: str) -> None:
        before = {name: (log.folder.path / name).read_bytes() for name in files(log)}
        with pytest.raises(TallyError, match=match) as caught:
            EmbeddedLog.opened(log.folder.path).append([b"x"])
        assert caught.value.hint
        assert {name: (log.folder.path / name).read_bytes() for name in files(log)} == before

    @pytest.mark.parametrize(
        "name", [KEY, TRUSTED_ROOT, CHECKPOINT, "tile/0/001.p/44", "tile/entries/001.p/44"]
    )
    def test_a_file_is_gone(self, log: EmbeddedLog, name: str) -> None:
        (log.folder.path / name).unlink()
        self.refuses(log, "is gone")

    @pytest.mark.parametrize(
        "name", [KEY, TRUSTED_ROOT, CHECKPOINT, "tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/001.p/44"]
    )
    @pytest.mark.parametrize("length", [0, 7])
    def test_a_file_is_cut(self, log: EmbeddedLog, name: str, length: int) -> None:
        path = log.folder.path / name
        path.write_bytes(path.read_bytes()[:length])
        self.refuses(log, "is damaged")

    @pytest.mark.parametrize("position", [0, 30, 100, -3])
    def test_a_checkpoint_is_changed(self, log: EmbeddedLog, position: int) -> None:
        path = log.folder.path / CHECKPOINT
        data = bytearray(path.read_bytes())
        data[position] ^= 1
        path.write_bytes(data)
        self.refuses(log, "is damaged: ")

    @pytest.mark.parametrize("name", ["tile/0/001.p/44", "tile/1/000.p/1"])
    def test_a_tile_is_changed(self, log: EmbeddedLog, name: str) -> None:
        path = log.folder.path / name
        data = bytearray(path.read_bytes())
        data[17] ^= 1
        path.write_bytes(data)
        self.refuses(log, "not those that its checkpoint was signed over")

    @pytest.mark.parametrize("also", [KEY, "tile/entries/001.p/44"])
    def test_a_log_that_lost_its_checkpoint_had_begun(self, log: EmbeddedLog, also: str) -> None:
        for name in (CHECKPOINT, also):
            (log.folder.path / name).unlink()
        with (
            pytest.raises(TallyError, match="damaged: checkpoint is gone"),
            EmbeddedLog.existing(log.folder.path).reading(),
        ):
            pass

    def test_a_checkpoint_without_its_log(self, log: EmbeddedLog) -> None:
        shutil.rmtree(log.folder.path / "tile")
        self.refuses(log, "is gone")

    def test_the_key_of_another_log(self, log: EmbeddedLog, tmp_path: Path) -> None:
        other = EmbeddedLog.opened(tmp_path / "other")
        shutil.copy(other.folder.path / KEY, log.folder.path / KEY)
        self.refuses(log, "is not the key in")

    def test_the_name_of_another_log(self, log: EmbeddedLog, tmp_path: Path) -> None:
        other = EmbeddedLog.opened(tmp_path / "other")
        shutil.copy(other.folder.path / TRUSTED_ROOT, log.folder.path / TRUSTED_ROOT)
        self.refuses(log, "not signed by the key of")

    def test_no_folder_can_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "log").write_text("a file")
        with pytest.raises(TallyError, match="cannot use the log"):
            EmbeddedLog.opened(tmp_path / "log")


def test_there_is_no_log(tmp_path: Path) -> None:
    with pytest.raises(TallyError, match="there is no log in") as caught:
        EmbeddedLog.existing(tmp_path / "log")
    assert caught.value.hint


def test_readers_wait_for_a_writer(log: EmbeddedLog, tmp_path: Path) -> None:
    signal = tmp_path / "held"

    def hold() -> None:
        with log.folder.locked(exclusive=True):
            signal.touch()
            time.sleep(0.3)
            log.folder.write({"done": b""})

    child = in_child(hold)
    while not signal.exists():
        time.sleep(0.01)
    with log.reading():
        assert log.folder.has("done")
    assert status(child) == 0
