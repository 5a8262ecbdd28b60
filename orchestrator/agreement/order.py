"""Whether two contents are made of the same parts in another order; streamed, constant memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Protocol

_CHUNK = 1 << 18
_LARGEST = 64 << 20  # bytes: beyond it the answer is not worth the time that it takes
_LONGEST = 1 << 16  # bytes of one part: what has no line ends for longer is no text
_BITS = (1 << 128) - 1
_BETWEEN_WORDS = rb"[\s,;:(){}\[\]<>\"']"
"""What stands around the parts of a list, in most languages."""


class Stream(Protocol):
    """As much of a binary file as reading it at random takes."""

    def read(self, size: int, /) -> bytes: ...
    def readinto(self, buffer: bytearray, /) -> int: ...
    def seek(self, offset: int, /) -> int: ...


def same_parts(first: Stream, second: Stream) -> bool:
    """Whether both have the same lines, or else the same words, each as often. Reads both from the start."""
    return any(_sum(first, end) == _sum(second, end) is not None for end in (rb"\n", _BETWEEN_WORDS))


def _sum(stream: Stream, end: bytes) -> int | None:
    """A number that the order of a content's parts does not change; None when it is too large or no text."""
    import hashlib  # with OpenSSL's library

    stream.seek(0)
    total = count = 0
    for part in _parts(stream, re.compile(end)):
        if part is None:
            return None
        if part:
            count += 1
            # a sum, unlike an exclusive or, also counts how often a part is there
            total = (total + int.from_bytes(hashlib.blake2b(part, digest_size=16).digest())) & _BITS
    return total if count > 1 else None


def _parts(stream: Stream, end: re.Pattern[bytes]) -> Iterator[bytes | None]:
    rest, read = b"", 0
    while chunk := stream.read(_CHUNK):
        read += len(chunk)
        *parts, rest = end.split(rest + chunk)
        if read > _LARGEST or len(rest) > _LONGEST or b"\0" in chunk:
            yield None
            return
        yield from parts
    yield rest
