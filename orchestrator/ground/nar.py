"""NAR serialisation of files and folders, streamed; nothing of a store or of Nix is needed.

The format is that of Nix's manual, "Nix Archive (NAR) format": a tree of names, contents, executable bits and
symbolic links, and nothing else of the file system.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from orchestrator.ground.digest import NarHash
from orchestrator.ground.errors import TallyError

_CHUNK = 1 << 20
_LONGEST = 1 << 12  # of a name, or of what a symbolic link says (PATH_MAX)


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


def of_file(size: int, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The NAR of a file that is not executable, from its bytes."""
    yield b"".join(map(_string, (b"nix-archive-1", b"(", b"type", b"regular", b"contents")))
    yield size.to_bytes(8, "little")
    yield from chunks
    yield _padding(size) + _string(b")")


def restore(nar: BinaryIO, place: Path) -> None:
    """Write the file, folder or symbolic link that a NAR is of, where nothing is yet.

    Raises ValueError for what is no NAR, OSError where it cannot be written.
    """
    _expect(nar, b"nix-archive-1")
    _restore(nar, os.fsencode(place))
    if nar.read(1):
        raise ValueError("something follows its end")


def _restore(nar: BinaryIO, place: bytes) -> None:
    _expect(nar, b"(")
    _expect(nar, b"type")
    match _word(nar):
        case b"regular":
            _restore_file(nar, place)
        case b"symlink":
            _expect(nar, b"target")
            Path(os.fsdecode(place)).symlink_to(os.fsdecode(_word(nar)))
            _expect(nar, b")")
        case b"directory":
            Path(os.fsdecode(place)).mkdir(0o755)
            _restore_entries(nar, place)
        case _:
            raise ValueError("it has what is no file, folder or symbolic link")


def _restore_entries(nar: BinaryIO, place: bytes) -> None:
    before = b""
    while (word := _word(nar)) != b")":
        if word != b"entry":
            raise ValueError("it has something else than an entry in a folder")
        _expect(nar, b"(")
        _expect(nar, b"name")
        name = _word(nar)
        if name in (b"", b".", b"..") or b"/" in name or b"\0" in name or name <= before:
            raise ValueError("it has a name that no folder has, or names out of order")
        before = name
        _expect(nar, b"node")
        _restore(nar, place + b"/" + name)
        _expect(nar, b")")


def _restore_file(nar: BinaryIO, place: bytes) -> None:
    word, mode = _word(nar), 0o644
    if word == b"executable":
        _expect(nar, b"")
        word, mode = _word(nar), 0o755
    if word != b"contents":
        raise ValueError("it has a file without contents")
    left = int.from_bytes(_exactly(nar, 8), "little")
    size = left
    with open(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb") as stream:
        os.fchmod(stream.fileno(), mode)
        while left:
            chunk = _exactly(nar, min(_CHUNK, left))
            left -= len(chunk)
            stream.write(chunk)
    _exactly(nar, -size % 8)
    _expect(nar, b")")


def _expect(nar: BinaryIO, word: bytes) -> None:
    if _word(nar) != word:
        raise ValueError("it is no NAR")


def _word(nar: BinaryIO) -> bytes:
    size = int.from_bytes(_exactly(nar, 8), "little")
    if size > _LONGEST:
        raise ValueError("it has a name that is longer than any")
    word = _exactly(nar, size)
    _exactly(nar, -size % 8)
    return word


def _exactly(nar: BinaryIO, size: int) -> bytes:
    data = nar.read(size)
    if len(data) != size:
        raise ValueError("it ends in its middle")
    return data


def _string(value: bytes) -> bytes:
    return len(value).to_bytes(8, "little") + value + _padding(len(value))


def _padding(size: int) -> bytes:
    return b"\0" * (-size % 8)
