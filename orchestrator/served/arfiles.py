"""A Debian package read to the last byte: an ar archive of compressed tar archives (deb(5)). Pure.

What is left over anywhere, or would be read in two ways, is no package here: two packages can only be said to
hold the same files where every byte of both is accounted for.
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

_MAGIC: Final = b"!<arch>\n"
_HEADER: Final = 60
_BLOCK: Final = 512
LARGEST: Final = 4 << 30
"""Bytes that one member may unpack to."""
_PIECE: Final = 1 << 20
_NUMBER: Final = re.compile(rb"[0-9]+ *")


class OddPackageError(Exception):
    """This is no package, or one that could be read in two ways."""


@dataclass(frozen=True, slots=True)
class Member:
    """One file of the outer archive."""

    name: str
    time: int
    owner: tuple[int, int]
    mode: int
    data: bytes

    @property
    def stem(self) -> str:
        """Its name without how it is compressed: `data.tar`."""
        return re.sub(r"(\.tar)\.[a-z0-9]+$", r"\1", self.name)


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a tar archive."""

    name: str
    kind: str
    """`a file`, `a folder`, …, with where a link leads."""
    mode: int
    owner: tuple[int, int, str, str]
    time: float
    content: memoryview
    header: bytes
    """The header's blocks with the time, the permissions and the sum over it left out."""
    extended: tuple[tuple[str, str], ...]
    """What the header says beside in pax's way, times aside."""


def members(data: bytes) -> tuple[Member, ...]:
    """The outer archive's files in order. Raises OddPackageError."""
    if not data.startswith(_MAGIC):
        raise OddPackageError("it is no ar archive")
    found: list[Member] = []
    at = len(_MAGIC)
    while at < len(data):
        header = data[at : at + _HEADER]
        fields = [header[16:28], header[28:34], header[34:40], header[48:58]]
        if len(header) < _HEADER or header[58:] != b"`\n" or not all(map(_NUMBER.fullmatch, fields)):
            raise OddPackageError(f"what stands at its byte {at} is no header of an ar archive")
        if not re.fullmatch(rb"[0-7]+ *", header[40:48]):
            raise OddPackageError(f"the header at its byte {at} has no permissions")
        time, user, group, size = map(int, fields)
        name = header[:16].decode("latin-1").rstrip(" ").removesuffix("/")
        content = data[at + _HEADER : at + _HEADER + size]
        end = at + _HEADER + size
        if len(content) < size or data[end : end + size % 2] not in (b"", b"\n", b"\0"):
            raise OddPackageError(f"its member {name} is cut off")
        if any(each.name == name for each in found):
            raise OddPackageError(f"it has two members called {name}")
        found.append(Member(name, time, (user, group), int(header[40:48], 8), content))
        at = end + size % 2
    stems = [each.stem for each in found]
    if len(set(stems)) != len(stems):
        raise OddPackageError("it has one tar archive twice")
    return tuple(found)


def unpacked(member: Member) -> bytes:
    """A compressed member's tar archive. Raises OddPackageError."""
    import bz2
    import lzma
    import zlib

    ending = member.name.removeprefix(member.stem)
    try:
        match ending:
            case "":
                return member.data
            case ".xz" | ".lzma":
                return _streams(member, lzma.LZMADecompressor)
            case ".gz":
                return _streams(member, _Inflate)
            case ".bz2":
                return _streams(member, bz2.BZ2Decompressor)
            case ".zst":
                return _zstd(member)
            case _:
                raise OddPackageError(f"{member.name} is compressed in a way that is not known here")
    except (lzma.LZMAError, OSError, EOFError, zlib.error, ValueError) as error:
        raise OddPackageError(f"{member.name} cannot be decompressed: {error}") from error


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Inflate:
    """zlib's decompressor in the manner of bz2's and lzma's."""

    def __init__(self) -> None:
        import zlib

        self._inner = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail or data, max_length)


def _streams(member: Member, new: Callable[[], _Decompressor]) -> bytes:
    """One stream after the other, and nothing behind the last."""
    whole = bytearray()
    left = member.data
    while left or not whole:
        one = new()
        whole += one.decompress(left, _PIECE)
        while not one.eof:
            if one.needs_input:
                raise OddPackageError(f"{member.name} is cut off")
            whole += one.decompress(b"", _PIECE)
            if len(whole) > LARGEST:
                raise OddPackageError(f"{member.name} unpacks to more than {LARGEST} bytes")
        left = one.unused_data
        if not left:
            break
    return bytes(whole)


def _zstd(member: Member) -> bytes:
    import zstandard

    try:
        reader = zstandard.ZstdDecompressor().stream_reader(member.data, read_across_frames=True)
        whole = reader.read(LARGEST + 1)
    except zstandard.ZstdError as error:
        raise OddPackageError(f"{member.name} cannot be decompressed: {error}") from error
    if len(whole) > LARGEST:
        raise OddPackageError(f"{member.name} unpacks to more than {LARGEST} bytes")
    return whole


def entries(data: bytes, name: str) -> tuple[Entry, ...]:
    """A tar archive's files in order, nothing between them and nothing behind. Raises OddPackageError."""
    found: dict[str, Entry] = {}
    at = 0
    view = memoryview(data)
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:", errors="surrogateescape") as archive:
            for member in archive:
                if member.offset != at:
                    raise OddPackageError(f"{name} holds something between its files")
                entry = _entry(data, view, member)
                if entry.name in found:
                    raise OddPackageError(f"{name} holds {entry.name} twice")
                found[entry.name] = entry
                end = member.offset_data + len(entry.content)
                at = -(-end // _BLOCK) * _BLOCK
                if data[end:at].strip(b"\0"):
                    raise OddPackageError(f"{name} holds something behind {entry.name}")
    except (tarfile.TarError, ValueError, OverflowError) as error:
        raise OddPackageError(f"{name} is no tar archive: {error}") from error
    if bytes(view[at:]).strip(b"\0"):
        raise OddPackageError(f"{name} holds something behind its last file")
    return tuple(found.values())


def _entry(data: bytes, view: memoryview, member: tarfile.TarInfo) -> Entry:
    if member.issparse():
        raise OddPackageError(f"{member.name} is a sparse file")
    size = member.size if member.isreg() else 0
    last = member.offset_data - _BLOCK
    header = bytearray(data[member.offset : member.offset_data])
    mode_at, time_at = last - member.offset + 100, last - member.offset + 136
    header[mode_at : mode_at + 8] = bytes(8)
    header[time_at : time_at + 20] = bytes(20)  # the time and the sum
    extended = tuple(sorted((k, v) for k, v in member.pax_headers.items() if k not in ("mtime", "atime")))
    return Entry(
        member.name.removeprefix("./") or ".",
        _kind(member),
        member.mode,
        (member.uid, member.gid, member.uname, member.gname),
        member.mtime,
        view[member.offset_data : member.offset_data + size],
        bytes(header),
        extended,
    )


def _kind(member: tarfile.TarInfo) -> str:
    if member.isreg():
        return "a file"
    if member.isdir():
        return "a folder"
    if member.issym():
        return f"a link to {member.linkname}"
    if member.islnk():
        return f"a hard link to {member.linkname}"
    if member.isdev():
        return f"a device or pipe ({member.type!r}, {member.devmajor}, {member.devminor})"
    raise OddPackageError(f"{member.name} is of a type that is not known here: {member.type!r}")


def tars(found: tuple[Member, ...]) -> Iterator[Member]:
    """The members that are tar archives."""
    return (each for each in found if each.stem.endswith(".tar"))
