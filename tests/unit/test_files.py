"""What is opened: regular files, and pipes that somebody holds open; nothing else makes us wait."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from orchestrator.errors import TallyError
from orchestrator.files import opened, read_file
from orchestrator.key_address import TokenKey, parse
from orchestrator.signing import keyfiles, passphrase, token
from orchestrator.signing.bundles import trust
from orchestrator.signing.instance import Instance
from orchestrator.signing.passphrase import Pin


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
        "from pathlib import Path; from orchestrator.files import opened; "
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


READERS: list[Callable[[Path], object]] = [
    keyfiles.read,
    trust.load,
    lambda path: read_file(path, "", 100, ""),
    Instance.load,
    lambda path: passphrase.of(Pin("token", path)),
]


@pytest.mark.parametrize("read", READERS)
def test_whoever_reads_waits_for_no_pipe(read: Callable[[Path], object], pipe: Path) -> None:
    with pytest.raises(TallyError, match="named pipe"):
        read(pipe)
    with pytest.raises(TallyError, match="device"):
        read(Path("/dev/zero"))


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
