"""Zip archives, which wheels and jars are: PKWARE's APPNOTE.TXT 6.3."""

from __future__ import annotations

import stat
import struct
import zipfile
from collections.abc import Callable, Iterator
from typing import Final, cast

from orchestrator.ground.plainly import why
from orchestrator.ground.zips import ERRORS
from orchestrator.places.compressed import shown_time
from orchestrator.places.content import Content, Stream, Unreadable
from orchestrator.places.found import Field, Found, Pair
from orchestrator.places.members import Attributes, Format, Member, compared
from orchestrator.places.place import Aspect, Step

_DIRECTORY: Final = 16 << 20  # bytes of the central directory: some 100,000 members
_PIECE: Final = 1 << 20
_METHODS: Final = {0: "stored", 8: "deflated", 12: "bzip2", 14: "lzma", 93: "zstd"}
_EXTENDED_TIME: Final = 0x5455
_LOCAL: Final = struct.Struct("<26x2H")
FORMAT: Final = Format(
    "zip",
    (
        (Aspect.TIME, "time"),
        (Aspect.TIME, "extended time"),
        (Aspect.MODE, "mode"),
        (Aspect.FIELD, "compression"),
        (Aspect.FIELD, "made by"),
        (Aspect.FIELD, "flags"),
        (Aspect.FIELD, "extra field"),
        (Aspect.FIELD, "comment"),
    ),
)


def look(pair: Pair) -> Iterator[Found]:
    """By the central directories; what stands elsewhere differs as the archive's own bytes."""
    first, second = (_opened(content) for content in (pair.first, pair.second))
    if first.comment != second.comment:
        yield Field("comment", (first.comment, second.comment), step=Step("zip"))
    ours, theirs = (
        [_member(pair, archive, content, info) for info in archive.infolist()]
        for archive, content in ((first, pair.first), (second, pair.second))
    )
    yield from compared(FORMAT, ours, theirs, Attributes(FORMAT, pair.budget.limits.spots))


def _opened(content: Content) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(Stream(content, _DIRECTORY))
    except ERRORS as error:
        raise Unreadable(why(error)) from error


def _member(pair: Pair, archive: zipfile.ZipFile, content: Content, info: zipfile.ZipInfo) -> Member:
    pair.budget.member()
    extended, extra = _extra(info.extra)
    mode = info.external_attr >> 16
    values = (
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}".format(*info.date_time),
        extended,
        stat.filemode(mode) if mode else f"{info.external_attr:#x}",
        _METHODS.get(info.compress_type, f"method {info.compress_type}"),
        f"system {info.create_system}, version {info.create_version / 10}",
        f"{info.flag_bits:#06x}",
        extra.hex(" "),
        info.comment,
    )
    name = info.orig_filename.encode("utf-8", "surrogateescape")
    is_folder = info.filename.endswith("/")  # is_dir() takes no empty name
    holds = None if is_folder and not info.file_size else _unpacker(pair, archive, info)
    return Member(name, values, holds, lambda: _packed(content, info))


def _unpacker(pair: Pair, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], Content]:
    def opened() -> Content:
        try:
            with archive.open(info) as stream:
                pieces = iter(lambda: stream.read(_PIECE), b"")
                return pair.budget.keep(pieces, info.compress_size, info.file_size)
        except ERRORS as error:
            raise Unreadable(why(error)) from error

    return opened


def _packed(content: Content, info: zipfile.ZipInfo) -> Content:
    """4.3.7: the local header's name and extra field stand before the data."""
    header = content.at(info.header_offset, 30)
    if len(header) < 30:
        raise Unreadable("it ends within a header")
    name, extra = cast("tuple[int, int]", _LOCAL.unpack(header))
    return content.part(info.header_offset + 30 + name + extra, info.compress_size)


def _extra(data: bytes) -> tuple[str, bytes]:
    """The time in Info-ZIP's extra field, and all other extra fields."""
    found, others = "none", b""
    while len(data) >= 4:
        kind, size = struct.unpack_from("<2H", data)
        field, data = data[: 4 + size], data[4 + size :]
        if kind == _EXTENDED_TIME and len(field) >= 9:
            found = shown_time(int.from_bytes(field[5:9], "little", signed=True))
        else:
            others += field
    return found, others + data
