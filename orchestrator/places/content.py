"""Bytes that can be read at any place: a part of an open file, or of memory. Read when asked for."""

from __future__ import annotations

import os
from typing import BinaryIO, Final, Protocol

IN_MEMORY: Final = 4 << 20
"""Bytes of what is unpacked that stay in memory; more goes to a file without a name."""


class Unreadable(Exception):
    """A content cannot be looked into; the text says why, to stand behind a colon."""


class Content(Protocol):
    """What a file, or a member of a container, holds."""

    @property
    def size(self) -> int:
        """Bytes."""

    def at(self, offset: int, size: int) -> bytes:
        """So many bytes from there on; fewer at its end. Raises OSError."""

    def into(self, buffer: bytearray, offset: int) -> int:
        """Fill a buffer from there on; how much it took. Raises OSError."""

    def part(self, offset: int, size: int) -> Content:
        """Some of it. Raises Unreadable where it does not have so much."""


class Stream:
    """A content as a file that is read and sought in, for libraries that want one."""

    def __init__(self, content: Content, longest: int | None = None) -> None:
        self._content, self._at, self._longest = content, 0, longest

    def read(self, size: int = -1, /) -> bytes:
        """Raises Unreadable for more at once than `longest`, which no honest header has."""
        left = max(self._content.size - self._at, 0)
        size = left if size < 0 else min(size, left)
        if self._longest is not None and size > self._longest:
            raise Unreadable("it has a header that is longer than any")
        data = self._content.at(self._at, size)
        self._at += len(data)
        return data

    def readinto(self, buffer: bytearray, /) -> int:
        size = self._content.into(buffer, self._at)
        self._at += size
        return size

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._content.size}[whence]
        if base + offset < 0:
            raise Unreadable("it points to before its start")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        """Whoever opened what it is a part of closes that."""


def _within(size: int, offset: int, wanted: int) -> None:
    if offset < 0 or wanted < 0 or offset + wanted > size:
        raise Unreadable("it says that it holds more than it does")


class Filed:
    """A part of an open file, which stays open as long as any part of it is in use."""

    __slots__ = ("_descriptor", "_file", "_start", "size")

    def __init__(self, file: BinaryIO, start: int = 0, size: int | None = None) -> None:
        self._file, self._start, self._descriptor = file, start, file.fileno()
        self.size = os.fstat(self._descriptor).st_size if size is None else size

    def at(self, offset: int, size: int) -> bytes:
        size = min(size, self.size - offset)
        if size <= 0:
            return b""
        data = os.pread(self._descriptor, size, self._start + offset)
        if len(data) < size:  # of a file system that gives less than it has
            rest = bytearray(size - len(data))
            return data + rest[: self._rest(memoryview(rest), offset + len(data))]
        return data

    def into(self, buffer: bytearray, offset: int) -> int:
        left = self.size - offset
        if left >= len(buffer):
            found = os.preadv(self._descriptor, [buffer], self._start + offset)
            if found == len(buffer):
                return found
        if left <= 0:
            return 0
        with memoryview(buffer) as whole, whole[:left] as part:
            return self._rest(part, offset)

    def _rest(self, view: memoryview, offset: int) -> int:
        """Fill a view, by as many reads as that takes; how much of it there was."""
        done = 0
        while done < len(view):
            with view[done:] as part:
                found = os.preadv(self._descriptor, [part], self._start + offset + done)
            if not found:
                break
            done += found
        return done

    def part(self, offset: int, size: int) -> Filed:
        _within(self.size, offset, size)
        return Filed(self._file, self._start + offset, size)


class Held:
    """A part of bytes in memory."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = memoryview(data)

    @property
    def size(self) -> int:
        return len(self._data)

    def at(self, offset: int, size: int) -> bytes:
        return bytes(self._data[offset : offset + size]) if size > 0 else b""

    def into(self, buffer: bytearray, offset: int) -> int:
        data = self._data[offset : offset + len(buffer)]
        buffer[: len(data)] = data
        return len(data)

    def part(self, offset: int, size: int) -> Held:
        _within(self.size, offset, size)
        return Held(self._data[offset : offset + size])
