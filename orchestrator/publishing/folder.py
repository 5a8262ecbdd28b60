"""Reading a release folder that somebody else may have made: by names inside it, never through a link."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from orchestrator.evidence.flatfile import FlatFileHasher
from orchestrator.ground.aside import aside
from orchestrator.ground.digest import NarHash, Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.filebody import FileBody, Stamp, stamp_of
from orchestrator.ground.values import dataclass
from orchestrator.ground.wording import counted

DOCUMENT_LIMIT = 1 << 26
"""How much of JSON documents is read into memory, in bytes: an SBOM of some 20,000 packages, which is there
twice, as a file and in its bundle."""
INDEX_LIMIT = 1 << 22
"""The largest index, in bytes: one of some 20,000 files."""
_CHUNK = 1 << 20
LARGE = 1 << 24
"""Bytes from which on a second thread is worth its start, and one pass less worth a look at an inode."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # a named pipe must not make us wait


class UnsafeNameError(ValueError):
    """A name that does not stay inside the folder, or that leads through a link."""


class TooLargeError(ValueError):
    """A document that is larger than any of ours."""


class OtherSizeError(ValueError):
    """A file that has not the size it should have."""

    def __init__(self, name: str, size: int, listed: int) -> None:
        super().__init__(f"{name} has {counted(size, 'byte')}, and not {listed}")


@dataclass(frozen=True, slots=True)
class Folder:
    """A release folder. Names are relative, with `/`."""

    path: Path

    def read(self, name: str, limit: int, size: int | None = None) -> bytes:
        """A whole file. Raises UnsafeNameError, TooLargeError, FileNotFoundError or another OSError.

        With `size`, a file of another size is not read: OtherSizeError.
        """
        with self._opened(name) as descriptor:
            _has(descriptor, name, size)
            data = bytearray()
            while chunk := os.read(descriptor, _CHUNK):
                data += chunk
                if len(data) > limit:
                    raise TooLargeError(f"{name} is larger than {limit} bytes")
            return bytes(data)

    def size(self, name: str) -> int:
        """A file's size in bytes. Raises like `read`."""
        with self._opened(name) as descriptor:
            return os.fstat(descriptor).st_size

    def lacks(self, name: str) -> bool:
        """Whether there is nothing of that name, not even a link. Raises like `read`."""
        try:
            with self._opened(name):
                return False
        except (FileNotFoundError, NotADirectoryError):
            return True
        except UnsafeNameError:
            return False  # something is there, and reading it says what is wrong

    def measure(self, name: str, size: int | None = None) -> tuple[Sha256, int]:
        """A file's sha256 and size, streamed. Raises like `read`."""
        digest, seen = hashlib.sha256(), 0
        with self._opened(name) as descriptor:
            _has(descriptor, name, size)
            while chunk := os.read(descriptor, _CHUNK):
                digest.update(chunk)
                seen += len(chunk)
        return Sha256(digest.hexdigest()), seen

    def runs(self, name: str) -> bool:
        """Whether its owner may run a file. Raises like `read`."""
        with self._opened(name) as descriptor:
            return bool(os.fstat(descriptor).st_mode & stat.S_IXUSR)

    def measure_artifact(self, name: str, *, executable: bool) -> tuple[Sha256, int, NarHash]:
        """Like `measure`, with the NAR hash that the file has as a store path of its own."""
        with self._opened(name) as descriptor:
            size = os.fstat(descriptor).st_size
            hasher = FlatFileHasher(size, executable=executable)
            (_hash_by_two if size >= LARGE else _hash)(descriptor, hasher)
        try:
            sha256, nar_hash = hasher.digests()
        except ValueError as error:
            raise OSError(errno.EBUSY, "it changed while it was read", name) from error
        return sha256, hasher.size, nar_hash

    def stamp(self, name: str) -> Stamp:
        """What tells a file from itself before it was written into. Raises like `read`."""
        with self._opened(name) as descriptor:
            return stamp_of(descriptor)

    def body(self, name: str, stamp: Stamp, changed: TallyError) -> FileBody:
        """A file on its way to a server, which raises `changed` where it is not the one of the stamp."""
        return FileBody(lambda: self._opened(name), stamp, changed)

    def chunks(self, name: str) -> Iterator[bytes]:
        """A file's bytes, a part at a time. Raises like `read`."""
        with self._opened(name) as descriptor:
            while chunk := os.read(descriptor, _CHUNK):
                yield chunk

    def names(self) -> Iterator[str]:
        """Every file below the folder, links too, sorted. Raises OSError.

        Of a folder below it that cannot be read, or is deeper than names can be, its own name, with a `/` at
        the end.
        """
        yield from _names(os.fspath(self.path))

    @contextmanager
    def _opened(self, name: str) -> Iterator[int]:
        """A descriptor of a regular file, each step taken from the folder before it."""
        *folders, last = checked(name).split("/")
        at = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for part in folders:
                below = _open(part, _FOLDER, at, name)
                os.close(at)
                at = below
            descriptor = _open(last, _FILE, at, name)
        finally:
            os.close(at)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise UnsafeNameError(f"{name} is not a flat file")
            yield descriptor
        finally:
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Held(Folder):
    """A release folder with files that are in memory alone, as they were fetched: no disk has them."""

    data: Mapping[str, bytes]

    def read(self, name: str, limit: int, size: int | None = None) -> bytes:
        if (data := self.data.get(name)) is None:
            return Folder.read(self, name, limit, size)
        if size is not None and len(data) != size:
            raise OtherSizeError(name, len(data), size)
        if len(data) > limit:
            raise TooLargeError(f"{name} is larger than {limit} bytes")
        return data

    def size(self, name: str) -> int:
        return Folder.size(self, name) if (data := self.data.get(name)) is None else len(data)

    def lacks(self, name: str) -> bool:
        return name not in self.data and Folder.lacks(self, name)

    def measure(self, name: str, size: int | None = None) -> tuple[Sha256, int]:
        if name not in self.data:
            return Folder.measure(self, name, size)
        data = self.read(name, len(self.data[name]), size)
        return Sha256.of(data), len(data)

    def names(self) -> Iterator[str]:
        yield from sorted({*Folder.names(self), *self.data})


def _has(descriptor: int, name: str, size: int | None) -> None:
    if size is not None and (found := os.fstat(descriptor).st_size) != size:
        raise OtherSizeError(name, found, size)


def _hash(descriptor: int, hasher: FlatFileHasher) -> None:
    while chunk := os.read(descriptor, _CHUNK):
        hasher.update(chunk)


def _hash_by_two(descriptor: int, hasher: FlatFileHasher) -> None:
    """Both digests at the same time, so that a large file takes hardly longer than `sha256sum`."""
    with aside(hasher.update_nar) as update_nar:
        while chunk := os.read(descriptor, _CHUNK):
            update_nar(chunk)
            hasher.update_file(chunk)


def checked(name: str) -> str:
    """A name that can only mean a file inside the folder. Raises UnsafeNameError."""
    if not name.isprintable():  # before anything that cannot take half a surrogate pair
        raise UnsafeNameError(f"{name!r} is not a name that a release has")
    parts = name.split("/")
    if any(part in ("", ".", "..") or len(os.fsencode(part)) > 255 for part in parts):
        raise UnsafeNameError(f"{name!r} does not name a file inside the release")
    if "\\" in name or len(parts) > 16:
        raise UnsafeNameError(f"{name!r} is not a name that a release has")
    return name


def _open(part: str, flags: int, at: int, name: str) -> int:
    try:
        return os.open(part, flags, dir_fd=at)
    except OSError as error:
        error.filename = name  # and not the last part of it alone
        try:
            mode = os.stat(part, dir_fd=at, follow_symlinks=False).st_mode
        except OSError:
            mode = 0
        if stat.S_ISLNK(mode):
            raise UnsafeNameError(f"{name} is or leads through a symbolic link") from None
        if stat.S_ISSOCK(mode):
            raise UnsafeNameError(f"{name} is not a flat file") from None
        raise


def _names(top: str) -> Iterator[str]:
    """Every name below a folder. A folder's own files come first."""
    folders = [""]
    while folders:
        before = folders.pop()
        try:
            with os.scandir(f"{top}/{before}" if before else top) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError:
            if not before:
                raise
            yield before
            continue
        below = {entry.name: None for entry in entries if entry.is_dir(follow_symlinks=False)}
        yield from (before + entry.name for entry in entries if entry.name not in below)
        folders += (f"{before}{name}/" for name in reversed(below))
