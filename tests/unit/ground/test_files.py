"""What is opened: regular files, and pipes that somebody holds open; nothing else makes us wait."""

from __future__ import annotations

import errno
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from figures import Peak

import orchestrator
from orchestrator.builders import adding
from orchestrator.bundles import trust
from orchestrator.cli.asked import targets_of
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import (
    contents,
    create,
    opened,
    write_atomically,
    write_scratch,
    written_atomically,
)
from orchestrator.ground.key_address import TokenKey, parse
from orchestrator.keys import keyfiles, passphrase, token
from orchestrator.keys.passphrase import Pin
from orchestrator.log.folder import LogFolder
from orchestrator.pinning.drift import nixpkgs_node
from orchestrator.publishing.contents import read_further
from orchestrator.recipe.recipe import Recipe
from orchestrator.recipe.toml import read_toml
from orchestrator.signing.instance import Instance


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """One without a writer: to open it in the plain way would wait for ever."""
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def test_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    for name in ("file", "link"):
        with opened(tmp_path / name) as stream:
            assert stream.read() == b"content"
            assert os.get_blocking(stream.fileno())


def test_what_is_no_file(tmp_path: Path, pipe: Path) -> None:
    (tmp_path / "link").symlink_to(pipe)
    for path in (pipe, tmp_path / "link"):
        with pytest.raises(OSError, match="it is a named pipe"):
            opened(path)
    for device in ("/dev/zero", "/dev/null"):
        with pytest.raises(OSError, match="it is a device"):
            opened(Path(device))
    with pytest.raises(IsADirectoryError):
        opened(tmp_path)
    with pytest.raises(FileNotFoundError):
        opened(tmp_path / "nowhere")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        with pytest.raises(OSError, match="No such device"):
            opened(tmp_path / "socket")


def test_no_descriptor_stays_open(pipe: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for path in (pipe, pipe.parent, Path("/dev/zero")):
        with pytest.raises(OSError, match=r"."):
            opened(path)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("name", ["/dev/fd/{}", "/proc/self/fd/{}"])
def test_a_pipe_that_is_held_open(name: str) -> None:
    reading, writing = os.pipe()
    try:
        os.write(writing, b"content")
        os.close(writing)
        with opened(Path(name.format(reading))) as stream:
            assert stream.read() == b"content"
    finally:
        os.close(reading)


def test_standard_input_that_comes_late() -> None:
    code = (
        "from pathlib import Path; from orchestrator.ground.files import opened; "
        "print('begun', flush=True); print(opened(Path('/dev/stdin')).read())"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
        process.stdin.write("late")
        process.stdin.close()
        assert process.stdout.read() == "b'late'\n"


def _older_checkpoint(path: Path) -> object:
    from orchestrator.cli import log

    return log._checkpoints(None, path)  # type: ignore[arg-type]  # it never comes to the log


TOO_LARGE = r"larger than|longer than|holds? more than|far too large"
FROM_NIXPKGS = cast("Recipe", SimpleNamespace(toolchain=SimpleNamespace(from_="nixpkgs")))
READERS: list[Callable[[Path], object]] = [
    keyfiles.read,
    trust.load,
    Instance.load,
    lambda path: passphrase.of(Pin("token", path)),
    _older_checkpoint,
    lambda path: read_toml(path, "a recipe"),
    lambda path: read_further([path]),
    lambda path: targets_of([], path),
    lambda path: LogFolder(path.parent).read(path.name),
    adding._read,
    lambda path: nixpkgs_node({"hello": FROM_NIXPKGS}, path),
]
"""Whatever reads a file that a user names, or that somebody else may have written."""


@pytest.mark.parametrize("read", READERS)
def test_whoever_reads_waits_for_no_pipe(read: Callable[[Path], object], pipe: Path) -> None:
    with pytest.raises(TallyError, match="named pipe"):
        read(pipe)
    with pytest.raises(TallyError, match="device"):
        read(Path("/dev/zero"))


@pytest.mark.parametrize("read", READERS)
def test_whoever_reads_stops(read: Callable[[Path], object], tmp_path: Path) -> None:
    """Of a file without end, which takes no room here: memory for ten gigabytes is not there."""
    endless = tmp_path / "endless"
    with endless.open("wb") as stream:
        stream.truncate(10 << 30)
    peak = Peak()
    with pytest.raises(TallyError, match=TOO_LARGE):
        read(endless)
    assert peak.grown < 150 << 10


def test_contents(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    assert contents(tmp_path / "file", 7) == b"content"
    with pytest.raises(OSError, match="it is larger than 6 bytes"):
        contents(tmp_path / "file", 6)
    assert contents(Path("/proc/self/stat"), 9999), "what has no size beforehand"


def test_what_is_there_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"precious")
    (tmp_path / "link").symlink_to("elsewhere")
    for name in ("file", "link"):
        with pytest.raises(FileExistsError):
            create(tmp_path / name, b"new")
    with pytest.raises(TallyError, match="a file where a folder is needed"):
        create(tmp_path / "file" / "new", b"new")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "link"]
    assert (tmp_path / "file").read_bytes() == b"precious"


KILLED = """
import os, signal, sys
from pathlib import Path
from orchestrator.ground.files import create

os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
create(Path(sys.argv[1]), b"secret", mode=0o600)
"""


def test_not_even_a_kill_leaves_a_part_of_a_new_file(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path / "new" / "file")]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert list((tmp_path / "new").iterdir()) == []


def _refused(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.fixture(params=["as it is here", "named files alone", "no links", "neither", "no fsync of folders"])
def _file_system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that has less, as NFS, FAT and some in user space."""
    really_open, really_sync = os.open, os.fsync

    def opening(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise _refused(errno.EOPNOTSUPP)
        return really_open(path, flags, *more, **named)

    def linking(*_: Any, **named: Any) -> None:
        raise _refused(errno.EPERM)

    def syncing(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise _refused(errno.EINVAL)
        really_sync(descriptor)

    if request.param in ("named files alone", "neither"):
        monkeypatch.setattr(os, "open", opening)
    if request.param in ("no links", "neither"):
        monkeypatch.setattr(os, "link", linking)
    if request.param == "no fsync of folders":
        monkeypatch.setattr(os, "fsync", syncing)


@pytest.mark.usefixtures("_file_system")
def test_a_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    old = os.umask(0o077)
    try:
        create(Path("new/file"), b"content")
    finally:
        os.umask(old)
    assert [each.name for each in (tmp_path / "new").iterdir()] == ["file"]
    assert (tmp_path / "new/file").read_bytes() == b"content"
    assert stat.S_IMODE((tmp_path / "new/file").stat().st_mode) == 0o644
    with pytest.raises(FileExistsError):
        create(Path("new/file"), b"another")
    assert [each.name for each in (tmp_path / "new").iterdir()] == ["file"]


def test_a_full_disk_is_told_with_the_files_name() -> None:
    with pytest.raises(TallyError, match="no room left on the disk to write /dev/full"):
        write_scratch(Path("/dev/full"), "x")


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("broken", ["file", "folder"])
def test_what_is_told_as_not_written_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str, links: bool
) -> None:
    def linking(*_: Any, **named: Any) -> None:
        raise _refused(errno.EPERM)

    def syncing(descriptor: int) -> None:
        whole = (tmp_path / "file").exists()
        if whole if broken == "folder" or not links else not whole:
            raise _refused(errno.EIO)

    if not links:
        monkeypatch.setattr(os, "link", linking)
    monkeypatch.setattr(os, "fsync", syncing)
    with pytest.raises(TallyError, match="cannot write"):
        create(tmp_path / "file", b"content")
    assert list(tmp_path.iterdir()) == []


OWN = {
    "builders/host.py": "the machine's own id",
    "builders/hardware.py": "the kernel's own files",
    "builders/machine.py": "keys and logs of a machine that this run made",
    "cli/codes.py": "our own texts",
    "nix/chroot.py": "derivations of this process's own evaluation, or a copy of one",
    "nix/flake_attributes.py": "our own expressions",
    "nix/namespaces.py": "the kernel's own settings",
    "report/site.py": "our own style sheet and script",
    "run/observation.py": "our own build scripts, in the store of this process's own evaluation",
    "stories/refusing.py": "derivations of this process's own evaluation",
}
"""Who reads files whole without a bound, and whose they are."""


def test_nobody_else_reads_without_a_bound() -> None:
    package = Path(orchestrator.__file__).parent
    found = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(r"\.read_(text|bytes)\(|\bstream\.read\(\)|stdin(\.buffer)?\.read\(\)", path.read_text())
    }
    assert found - {"sources/deb.py"} == OWN.keys()  # which asks for a member's size first


@pytest.mark.parametrize("content", [b"x" * 5000, b"x" * 5000 + b"\n"])
def test_a_passphrase_is_never_cut(content: bytes) -> None:
    reading, writing = os.pipe()
    os.write(writing, content)
    os.close(writing)
    with pytest.raises(TallyError, match="more than 4096 bytes"):
        passphrase.from_descriptor(reading)


def test_a_passphrase_without_end() -> None:
    with pytest.raises(TallyError, match="more than 4096 bytes"):
        passphrase.from_descriptor(os.open("/dev/zero", os.O_RDONLY))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"1" * 5000, "longer than 4096 bytes"),
        (b"1234\n" + b"x" * 4096, "longer than 4096 bytes"),
        (b"", "empty"),
        (b"\n1234\n", "empty"),
    ],
)
def test_a_pin_is_never_cut(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "pin").write_bytes(content)
    with pytest.raises(TallyError, match=says):
        passphrase.of(Pin("token", tmp_path / "pin"))


@pytest.mark.parametrize("content", [b"1234\x005678", b"\x00"])
def test_a_token_is_not_asked_with_half_a_pin(content: bytes) -> None:
    address = parse("pkcs11:token=tally;object=release")
    assert isinstance(address, TokenKey)
    with pytest.raises(TallyError, match="NUL"):
        token._pin(address, SimpleNamespace(label="tally"), lambda _: content)  # type: ignore[arg-type]


def test_a_pins_file_begins_with_it(tmp_path: Path) -> None:
    (tmp_path / "pin").write_bytes(b"1234\r\nof the token in the safe\n")
    assert passphrase.of(Pin("token", tmp_path / "pin")) == b"1234"


def test_what_a_killed_writer_left_goes_with_the_next_one_and_what_is_written_stays(tmp_path: Path) -> None:
    path, left = tmp_path / "o.json", tmp_path / ".o.json.0.tmp"
    left.write_bytes(b"half")
    with written_atomically(path) as one, written_atomically(path) as other:
        one.write(b"one")
        other.write(b"other")
        assert left.read_bytes() != b"half"
        assert len(list(tmp_path.iterdir())) == 2, "two that write at once have a file each"
    assert [each.name for each in tmp_path.iterdir()] == ["o.json"]
    assert path.read_bytes() == b"one"


@pytest.mark.parametrize("kind", ["folder", "link", "pipe"])
def test_a_temporary_name_that_is_taken_is_left_alone(kind: str, tmp_path: Path) -> None:
    path, taken = tmp_path / "o.json", tmp_path / ".o.json.0.tmp"
    (tmp_path / "other").write_bytes(b"other's")
    match kind:
        case "folder":
            taken.mkdir()
        case "link":
            taken.symlink_to("other")
        case "pipe":
            os.mkfifo(taken)
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert os.path.lexists(taken)
    assert (tmp_path / "other").read_bytes() == b"other's"
