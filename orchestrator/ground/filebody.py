"""A large file on its way to a server: not read through Python where nothing has to, and not hashed again.

That nobody wrote into it since it was verified is seen by its inode, which only what writes through memory
that was mapped before leaves as it was. What the server has of it is fetched back and judged anyway.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from threading import Event
from typing import Final

from orchestrator.ground.errors import TallyError
from orchestrator.ground.parallel import Stopped

Stamp = tuple[int, int, int, int, int]
_CHUNK: Final = 1 << 20
_SENT: Final = 1 << 24  # bytes between two looks at `stop`
_DESCRIPTORS: Final = Path("/proc/self/fd")


def stamp_of(descriptor: int) -> Stamp:
    """What tells a file from another one, and from itself before it was written into."""
    found = os.fstat(descriptor)
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


class FileBody:
    """A file's bytes, as often as they are wanted. Raises `changed` where they are not those of the stamp."""

    def __init__(
        self,
        opened: Callable[[], AbstractContextManager[int]],
        stamp: Stamp,
        changed: TallyError,
        stop: Event | None = None,
    ) -> None:
        self._opened, self._stamp, self._changed, self._stop = opened, stamp, changed, stop

    @property
    def size(self) -> int:
        return self._stamp[2]

    def until(self, stop: Event) -> FileBody:
        """The same, which ends by Stopped once `stop` is set."""
        return FileBody(self._opened, self._stamp, self._changed, stop)

    def __iter__(self) -> Iterator[bytes]:
        with self._same() as descriptor:
            while chunk := os.read(descriptor, _CHUNK):
                self._look()
                yield chunk

    def send(self, sock: socket.socket) -> None:
        """Send all of it by way of the kernel alone, over a connection that is not encrypted."""
        with self._same() as descriptor, open(descriptor, "rb", closefd=False) as file:
            for at in range(0, self.size, _SENT):
                self._look()
                sock.sendfile(file, at, min(_SENT, self.size - at))

    @contextmanager
    def named(self) -> Iterator[str | None]:
        """A name of the opened file, whatever its path leads to meanwhile; None: this system has none."""
        with self._same() as descriptor:
            name = _DESCRIPTORS / str(descriptor)
            yield str(name) if name.exists() else None

    @contextmanager
    def _same(self) -> Iterator[int]:
        """The file, opened. Raises `changed` where it is not the one of the stamp, before and afterwards."""
        with ExitStack() as stack:
            try:
                descriptor = stack.enter_context(self._opened())
            except (OSError, ValueError) as error:
                raise self._changed from error
            if stamp_of(descriptor) != self._stamp:
                raise self._changed
            try:
                yield descriptor
            except Exception as error:  # what came of it is told by its cause
                if stamp_of(descriptor) != self._stamp:
                    raise self._changed from error
                raise
            if stamp_of(descriptor) != self._stamp:
                raise self._changed

    def _look(self) -> None:
        if self._stop is not None and self._stop.is_set():
            raise Stopped
