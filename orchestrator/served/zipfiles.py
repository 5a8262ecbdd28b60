"""Zip archives read to the last byte: every byte is an entry's, its header's or the directory's. Pure.

PKWARE's APPNOTE.TXT 6.3: local file header 4.3.7, data descriptor 4.3.9, central directory 4.3.12, end
4.3.16.
`zipfile` reads the central directory alone, so that two readers can see two different archives. What does not
add up is refused here: nothing hides where one does not look.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_LOCAL: Final = struct.Struct("<4s5H3I2H")
_CENTRAL: Final = struct.Struct("<4s6H3I5H2I")
_END: Final = struct.Struct("<4s4H2IH")
_DESCRIPTOR: Final = struct.Struct("<3I")
_ZIP64: Final = struct.Struct("<2H2Q")
_LARGE: Final = 0xFFFFFFFF
_CHUNK: Final = 1 << 20
STORED, DEFLATED = 0, 8
_DESCRIBED: Final = 1 << 3  # flag: sizes stand behind the data
_ENCRYPTED: Final = 1 << 0


class OddZipError(ValueError):
    """It is no zip archive that can be read to the last byte; the text says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file as both of its headers have it."""

    name: bytes
    method: int
    flags: int
    moment: int
    """MS-DOS date and time, as one number."""
    crc: int
    size: int
    compressed: int
    made_by: int
    needed: int
    internal: int
    external: int
    extra: tuple[bytes, bytes]
    """In the local header, and in the central directory."""
    comment: bytes
    descriptor: bytes
    """Behind the data, where there is one."""
    header: int
    """Where the local header begins."""
    data: int
    """Where the data begin."""
    central: int
    """Where its entry of the central directory begins."""

    @property
    def mode(self) -> int:
        """Of Unix, with the type of file; 0 where another system made the archive."""
        return self.external >> 16

    @property
    def time(self) -> str:
        """As it is written there, in no time zone that it would say."""
        date, time = self.moment >> 16, self.moment & 0xFFFF
        return (
            f"{1980 + (date >> 9)}-{date >> 5 & 15:02}-{date & 31:02} "
            f"{time >> 11:02}:{time >> 5 & 63:02}:{(time & 31) * 2:02}"
        )


@dataclass(frozen=True, slots=True)
class Archive:
    """All of a file."""

    data: bytes
    entries: tuple[Entry, ...]
    """In the order of the central directory, which is that of the data."""
    comment: bytes

    def raw(self, entry: Entry) -> memoryview:
        """An entry's bytes as they lie there."""
        return memoryview(self.data)[entry.data : entry.data + entry.compressed]

    def contents(self, entry: Entry) -> Iterator[bytes]:
        """An entry's bytes, unpacked. Raises OddZipError for what is not what its header says."""
        size, crc = 0, 0
        for chunk in _unpacked(entry, self.raw(entry)):
            size, crc = size + len(chunk), zlib.crc32(chunk, crc)
            if size > entry.size:
                break
            yield chunk
        if (size, crc) != (entry.size, entry.crc):
            raise OddZipError(f"{shown(entry.name)} is not what its header says: size or checksum differ")


def shown(name: bytes) -> str:
    """A name for a reader."""
    text = name.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def read(data: bytes) -> Archive:
    """A whole archive. Raises OddZipError for one that has a byte too many or too few."""
    at = data.rfind(b"PK\x05\x06")
    if at < 0 or at + _END.size > len(data):
        raise OddZipError("it is no zip archive")
    _, disk, first, here, total, length, start, comment = _END.unpack_from(data, at)
    if at + _END.size + comment != len(data):
        raise OddZipError("it has bytes behind its end")
    if disk or first or here != total or 0xFFFF in (here, total) or 0xFFFFFFFF in (length, start):
        raise OddZipError("it is split, or larger than 4 GiB or 65,534 files")
    if start + length != at:
        raise OddZipError("it has bytes between its directory and its end, or before its beginning")
    entries, place, expected = [], start, 0
    for _ in range(total):
        entry, place = _entry(data, place, at)
        if entry.header != expected:
            raise OddZipError(f"bytes before {shown(entry.name)} belong to no entry, or to two")
        expected = entry.data + entry.compressed + len(entry.descriptor)
        entries.append(entry)
    if place != at or expected != start:
        raise OddZipError("bytes before its directory or its end belong to no entry")
    names = [entry.name for entry in entries]
    if len(set(names)) != len(names):
        raise OddZipError("it has two entries of one name")
    return Archive(data, tuple(entries), data[at + _END.size :])


def _entry(data: bytes, place: int, end: int) -> tuple[Entry, int]:
    if place + _CENTRAL.size > end:
        raise OddZipError("its directory ends too early")
    fields = _CENTRAL.unpack_from(data, place)
    magic, made_by, needed, flags, method, time, date, crc, compressed, size = fields[:10]
    names, extras, comments, disk, internal, external, header = fields[10:]
    begin = place + _CENTRAL.size
    after = begin + names + extras + comments
    if magic != b"PK\x01\x02" or after > end or disk:
        raise OddZipError("its directory cannot be read")
    name, extra = data[begin : begin + names], data[begin + names : begin + names + extras]
    if flags & _ENCRYPTED:
        raise OddZipError(f"{shown(name)} is encrypted")
    if header + _LOCAL.size > place:
        raise OddZipError(f"{shown(name)} begins behind the end of the entries")
    local = _LOCAL.unpack_from(data, header)
    begins = header + _LOCAL.size + local[9] + local[10]
    local_name = data[header + _LOCAL.size : header + _LOCAL.size + local[9]]
    local_extra = data[header + _LOCAL.size + local[9] : begins]
    described = bool(flags & _DESCRIBED)
    sums = (crc, compressed, size)
    told = (0, 0, 0) if described and local[6:9] != sums else sums
    if local[7:9] == (_LARGE, _LARGE) and local_extra == _ZIP64.pack(1, 16, size, compressed):
        told = (local[6], _LARGE, _LARGE)  # APPNOTE.TXT 4.5.3: the sizes are in the extra field
    if (local[0], *local[1:6], local_name) != (b"PK\x03\x04", needed, flags, method, time, date, name):
        raise OddZipError(f"the two headers of {shown(name)} differ")
    if local[6:9] != told or begins + compressed > place:
        raise OddZipError(f"the two headers of {shown(name)} differ in its size or checksum")
    descriptor = _descriptor(data, begins + compressed, sums) if described else b""
    entry = Entry(
        *(name, method, flags, date << 16 | time, crc, size, compressed, made_by, needed, internal, external),
        extra=(local_extra, extra),
        comment=data[begin + names + extras : after],
        descriptor=descriptor,
        header=header,
        data=begins,
        central=place,
    )
    return entry, after


def _descriptor(data: bytes, place: int, sums: tuple[int, int, int]) -> bytes:
    plain = _DESCRIPTOR.pack(*sums)
    for form in (b"PK\x07\x08" + plain, plain):
        if data[place : place + len(form)] == form:
            return form
    raise OddZipError("an entry's sizes do not stand behind its data")


def _unpacked(entry: Entry, raw: memoryview) -> Iterator[bytes]:
    if entry.method == STORED:
        for start in range(0, len(raw), _CHUNK):
            yield bytes(raw[start : start + _CHUNK])
        return
    if entry.method != DEFLATED:
        raise OddZipError(f"{shown(entry.name)} is packed by method {entry.method}, which is not read here")
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    left: bytes | memoryview = raw
    try:
        while left and not unpacker.eof:
            yield unpacker.decompress(left, _CHUNK)
            left = unpacker.unconsumed_tail
        yield unpacker.flush()
    except zlib.error as error:
        raise OddZipError(f"{shown(entry.name)} cannot be unpacked: {error}") from error
    if unpacker.unused_data or not unpacker.eof:
        raise OddZipError(f"{shown(entry.name)} has bytes behind its data, or too few of them")
