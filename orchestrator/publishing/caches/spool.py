"""A file on its way elsewhere: whole before its first byte leaves, so that it can be sent again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

from orchestrator.ground.errors import TallyError

_IN_MEMORY = 1 << 22
_PIECE = 1 << 20


@contextmanager
def spooled(send: Callable[[int, Callable[[], Iterator[bytes]]], None]) -> Iterator[BinaryIO]:
    """A stream to write to; once the block ends well, `send` gets its size, and its bytes as often as asked.

    Raises TallyError where there is no room for it.
    """
    try:
        with SpooledTemporaryFile(max_size=_IN_MEMORY) as held:
            stream = cast("BinaryIO", held)
            yield stream
            size = stream.tell()

            def chunks() -> Iterator[bytes]:
                stream.seek(0)
                while piece := stream.read(_PIECE):
                    yield piece

            send(size, chunks)
    except OSError as error:
        raise TallyError(
            f"a file cannot be packed before it is sent: {error.strerror or error}",
            hint="free some space where temporary files are, or name another folder with TMPDIR",
        ) from error
