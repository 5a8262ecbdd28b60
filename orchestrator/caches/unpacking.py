"""A cache's compressed NAR, unpacked as it comes, and never by more than its signature says."""

from __future__ import annotations

import bz2
import hashlib
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from orchestrator.ground.digest import NarHash
from orchestrator.ground.wording import counted

_PIECE = 1 << 20
_MEMORY = 256 << 20
"""Bytes that an xz stream may ask for: `xz -9` needs 65 MiB."""


class _Unpacker(Protocol):
    def __call__(self, data: bytes) -> Iterator[bytes]:
        """What some more of the compressed bytes hold, in pieces of at most a MiB."""

    def is_whole(self) -> bool:
        """Whether the stream came to its own end."""


class _AsIs:
    def __call__(self, data: bytes) -> Iterator[bytes]:
        yield data

    def is_whole(self) -> bool:
        return True


class _Bounded:
    """`lzma` and `bz2`: they hand out so much at a time, and more without further input.

    Compressors that work in parallel make several streams, one after the other.
    """

    def __init__(self, new: Callable[[], lzma.LZMADecompressor | bz2.BZ2Decompressor]) -> None:
        self._new, self._stream, self._begun = new, new(), False

    def __call__(self, data: bytes) -> Iterator[bytes]:
        while data or not (self._stream.eof or self._stream.needs_input):
            if self._stream.eof:
                self._stream, self._begun = self._new(), False
            self._begun = True
            piece = self._stream.decompress(data, _PIECE)
            data = self._stream.unused_data if self._stream.eof else b""
            if piece:
                yield piece

    def is_whole(self) -> bool:
        return self._stream.eof


class _Gzip:
    def __init__(self) -> None:
        self._stream = zlib.decompressobj(zlib.MAX_WBITS | 16)

    def __call__(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._stream.eof:
                self._stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
            piece = self._stream.decompress(data, _PIECE)
            data = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
            if piece:
                yield piece

    def is_whole(self) -> bool:
        return self._stream.eof


class _Zstd:
    """zstandard's own object has no bound, so it is fed little at a time: a block of 128 KiB at most is made
    of as little as 4 bytes."""

    _FED = 64

    def __init__(self) -> None:
        import zstandard

        self._error = zstandard.ZstdError
        self._context = zstandard.ZstdDecompressor(max_window_size=1 << 27)
        self._stream = self._context.decompressobj()

    def __call__(self, data: bytes) -> Iterator[bytes]:
        at = 0  # the rest is not copied for each piece: that would be the square of the work
        while at < len(data):
            if self._stream.eof:
                self._stream = self._context.decompressobj()
            fed = data[at : at + self._FED]
            try:
                piece = self._stream.decompress(fed)
            except self._error as error:
                raise ValueError("it is not zstd as it says") from error
            at += len(fed) - (len(self._stream.unused_data) if self._stream.eof else 0)
            if piece:
                yield piece

    def is_whole(self) -> bool:
        return self._stream.eof


_UNPACKERS: dict[str, Callable[[], _Unpacker]] = {
    "none": _AsIs,
    "xz": lambda: _Bounded(lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, _MEMORY)),
    "bzip2": lambda: _Bounded(bz2.BZ2Decompressor),
    "gzip": _Gzip,
    "zstd": _Zstd,
}


def pieces(chunks: Iterable[bytes], compression: str) -> Iterator[bytes]:
    """What compressed bytes hold, in pieces of at most a MiB. Raises ValueError where they are damaged."""
    unpacker = _UNPACKERS[compression]()
    try:
        for chunk in chunks:
            yield from unpacker(chunk)
    except (lzma.LZMAError, OSError, zlib.error, EOFError) as error:
        raise ValueError(f"it is not {compression} as it says") from error
    if not unpacker.is_whole():
        raise ValueError("it ends in its middle")


def unpacked(chunks: Iterable[bytes], compression: str, nar_hash: NarHash, nar_size: int) -> Iterator[bytes]:
    """The NAR, in pieces; it is the right one only if this comes to its end.

    Raises ValueError with what is wrong, as a sentence: another size, another hash, no such compression.
    """
    if compression not in _UNPACKERS:
        known = ", ".join(_UNPACKERS)
        raise ValueError(f"its compression is {compression[:40]!r}, and what can be read is {known}")
    unpacker, digest, size = _UNPACKERS[compression](), hashlib.sha256(), 0
    try:
        for chunk in chunks:
            for piece in unpacker(chunk):
                size += len(piece)
                if size > nar_size:
                    raise ValueError(f"it holds more than the {counted(nar_size, 'byte')} that were signed")
                digest.update(piece)
                yield piece
    except (lzma.LZMAError, OSError, zlib.error, EOFError) as error:
        raise ValueError(f"it is not {compression} as it says") from error
    if not unpacker.is_whole() or size < nar_size:
        raise ValueError(f"it ends after {counted(size, 'byte')} of the {nar_size} that were signed")
    if digest.hexdigest() != nar_hash.hex:
        raise ValueError(f"its bytes are NAR sha256:{digest.hexdigest()}, and {nar_hash} was signed")
