"""NAR serialisation of files and folders, streamed; nothing of a store or of Nix is needed.

The format is that of Nix's manual, "Nix Archive (NAR) format": a tree of names, contents, executable bits and
symbolic links, and nothing else of the file system.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from orchestrator.ground.digest import NarHash
from orchestrator.ground.errors import TallyError

_CHUNK = 1 << 20


def nar_hash(path: Path) -> NarHash:
    """The hash that `nix-store --dump PATH | sha256sum` prints. Raises TallyError like `dump`."""
    digest = hashlib.sha256()
    for chunk in dump(path):
        digest.update(chunk)
    return NarHash(digest.hexdigest())


def dump(path: Path) -> Iterator[bytes]:
    """The NAR of a file, folder or symbolic link, in pieces of at most 1 MiB.

    Raises TallyError for what a NAR cannot hold (sockets, devices) and for a file that changes while read.
    """
    yield _string(b"nix-archive-1")
    yield from _node(os.fsencode(path))


def _node(path: bytes) -> Iterator[bytes]:
    status = os.lstat(path)
    yield _string(b"(") + _string(b"type")
    if stat.S_ISREG(status.st_mode):
        yield _string(b"regular")
        if status.st_mode & stat.S_IXUSR:
            yield _string(b"executable") + _string(b"")
        yield _string(b"contents")
        yield from _contents(path)
    elif stat.S_ISDIR(status.st_mode):
        yield _string(b"directory")
        for name in sorted(os.listdir(path)):  # by bytes, as Nix sorts
            yield _string(b"entry") + _string(b"(") + _string(b"name") + _string(name) + _string(b"node")
            yield from _node(path + b"/" + name)
            yield _string(b")")
    elif stat.S_ISLNK(status.st_mode):
        yield _string(b"symlink") + _string(b"target") + _string(os.readlink(path))
    else:
        raise TallyError(
            f"{os.fsdecode(path)} is neither a file, a folder nor a symbolic link: no NAR can hold it"
        )
    yield _string(b")")


def _contents(path: bytes) -> Iterator[bytes]:
    with open(path, "rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        yield size.to_bytes(8, "little")
        left = size
        while left:
            chunk = stream.read(min(_CHUNK, left))
            if not chunk:
                raise TallyError(f"{os.fsdecode(path)} became shorter while it was read")
            left -= len(chunk)
            yield chunk
        yield _padding(size)


def _string(value: bytes) -> bytes:
    return len(value).to_bytes(8, "little") + value + _padding(len(value))


def _padding(size: int) -> bytes:
    return b"\0" * (-size % 8)
