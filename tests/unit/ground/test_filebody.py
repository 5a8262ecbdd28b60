"""A large file on its way to a server: the very file that was looked at, or none."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.ground.errors import TallyError
from orchestrator.ground.filebody import FileBody, stamp_of
from orchestrator.ground.parallel import Stopped

DATA = os.urandom(17_000_001)


@contextmanager
def opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "file"
    made.write_bytes(DATA)
    return made


@pytest.fixture
def body(path: Path) -> FileBody:
    with opened(path) as descriptor:
        return FileBody(lambda: opened(path), stamp_of(descriptor), TallyError("it changed"))


def test_all_of_it_by_every_way(body: FileBody) -> None:
    assert b"".join(body) == b"".join(body) == DATA
    ours, theirs = socket.socketpair()
    came = bytearray()

    def receive() -> None:
        while chunk := theirs.recv(1 << 20):
            came.extend(chunk)

    thread = threading.Thread(target=receive)
    thread.start()
    with ours:
        body.send(ours)
    thread.join()
    theirs.close()
    assert bytes(came) == DATA
    with body.named() as name:
        assert name is not None and Path(name).read_bytes() == DATA


def test_what_was_changed_is_told(body: FileBody, path: Path) -> None:
    path.write_bytes(DATA[:-1] + b"x")  # of the same size
    with pytest.raises(TallyError, match="it changed"):
        b"".join(body)


def test_what_changes_on_its_way_is_told_at_its_end(body: FileBody, path: Path) -> None:
    chunks = iter(body)
    assert next(chunks)
    with path.open("r+b") as stream:
        stream.write(b"x")
    with pytest.raises(TallyError, match="it changed"):
        b"".join(chunks)
    with pytest.raises(TallyError, match="it changed"), body.named():
        pass


def test_another_file_of_that_name_is_told(body: FileBody, path: Path) -> None:
    path.rename(path.with_name("before"))
    with pytest.raises(TallyError, match="it changed"):
        b"".join(body)
    path.write_bytes(DATA)
    with pytest.raises(TallyError, match="it changed"):
        b"".join(body)


def test_it_ends_where_another_one_failed(body: FileBody) -> None:
    stop = threading.Event()
    chunks = iter(body.until(stop))
    assert next(chunks)
    stop.set()
    with pytest.raises(Stopped):
        next(chunks)
