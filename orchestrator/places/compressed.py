"""What is compressed as a whole: gzip, xz, bzip2, zstd. The header's fields, then what it unpacks to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from orchestrator.places.content import Content, Unreadable
from orchestrator.places.found import Field, Found, Pair, Within
from orchestrator.places.place import Aspect, Step

_CHUNK: Final = 1 << 18
_FED: Final = 1 << 10
"""Bytes of zstd at a time: each four may make a block of 128 KiB."""
_WINDOW: Final = 1 << 27  # bytes that zstd may look back: `zstd --ultra` alone asks for more
_LONGEST: Final = 1 << 16  # of a gzip header
_FEXTRA, _FNAME, _FCOMMENT = 4, 8, 16  # RFC 1952, 2.3.1


def gzip(pair: Pair) -> Iterator[Found]:
    """RFC 1952."""
    one, other = (_fields(content) for content in (pair.first, pair.second))
    for name, value in one.items():
        if value != other[name]:
            aspect = Aspect.TIME if name == "time" else Aspect.FIELD
            at = 4 if name == "time" else None
            yield Field(f"header: {name}", (value, other[name]), aspect, Step("gzip"), at)
    yield from _unpacked(pair, "gzip")


def xz(pair: Pair) -> Iterator[Found]:
    """The .xz file format."""
    yield from _unpacked(pair, "xz")


def bzip2(pair: Pair) -> Iterator[Found]:
    """bzip2(1)."""
    yield from _unpacked(pair, "bzip2")


def zstd(pair: Pair) -> Iterator[Found]:
    """RFC 8878."""
    yield from _unpacked(pair, "zstd")


def across(pair: Pair, kinds: tuple[str | None, str | None]) -> Iterator[Found]:
    """What is compressed in two ways, or on one side alone, by what it unpacks to. None: it is as it is."""
    yield Field("compression", (kinds[0] or "none", kinds[1] or "none"), Aspect.PACKING)
    one, other = (
        content if kind is None else unpack(pair, content, kind)
        for content, kind in zip((pair.first, pair.second), kinds, strict=True)
    )
    yield Within(Step("unpacked"), one, other, _inner(pair.name))


def _unpacked(pair: Pair, kind: str) -> Iterator[Found]:
    one, other = (unpack(pair, content, kind) for content in (pair.first, pair.second))
    yield Within(Step(kind), one, other, _inner(pair.name))


def unpack(pair: Pair, content: Content, kind: str) -> Content:
    """What it unpacks to. Raises Unreadable."""
    from orchestrator.caches.unpacking import pieces

    data = _zstd(content) if kind == "zstd" else pieces(_chunks(content), kind)
    try:
        return pair.budget.keep(data, content.size)
    except ValueError as error:
        raise Unreadable(str(error)) from error


def _zstd(content: Content) -> Iterator[bytes]:
    import zstandard

    context = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
    frame, used = context.decompressobj(), False
    try:
        for chunk in _chunks(content, _FED):
            left = chunk
            while left:
                if frame.eof:
                    frame = context.decompressobj()
                if piece := frame.decompress(left):
                    yield piece
                left, used = frame.unused_data if frame.eof else b"", True
    except zstandard.ZstdError as error:
        raise ValueError("it is not zstd as it says") from error
    if used and not frame.eof:
        raise ValueError("it ends in its middle")


def _chunks(content: Content, size: int = _CHUNK) -> Iterator[bytes]:
    at = 0
    while chunk := content.at(at, size):
        yield chunk
        at += len(chunk)


def _inner(name: str) -> str:
    """The name without its last ending: `hello.1.gz` holds `hello.1`."""
    stem, dot, ending = name.rpartition(".")
    short = {"tgz": "tar", "txz": "tar", "tbz2": "tar", "tzst": "tar", "svgz": "svg"}
    return f"{stem}.{short[ending]}" if ending in short else stem if dot else name


def _fields(content: Content) -> dict[str, str | bytes]:
    """The header's fields that have nothing to do with what is compressed. Raises Unreadable."""
    head = content.at(0, _LONGEST)
    if len(head) < 18:
        raise Unreadable("it ends within its header")
    flags, at = head[3], 10
    if flags & _FEXTRA:
        at += 2 + int.from_bytes(head[10:12], "little")
    texts = []
    for flag in (_FNAME, _FCOMMENT):
        end = head.find(b"\0", at) if flags & flag else at - 1
        if end < at - 1:
            raise Unreadable("its header has a name without an end")
        texts.append(head[at:end] if flags & flag else b"")
        at = end + 1
    seconds = int.from_bytes(head[4:8], "little")
    return {
        "time": shown_time(seconds) if seconds else "none",
        "name": texts[0],
        "comment": texts[1],
        "level": {0: "default", 2: "best", 4: "fastest"}.get(head[8], str(head[8])),
        "system": str(head[9]),
        "flags": f"{flags:#04x}",
    }


def shown_time(seconds: float) -> str:
    """A time as ISO 8601 has it, in UTC; the number itself where no calendar has it."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(sep=" ").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return f"{seconds:g}"
