"""Reading Debian binary packages as streams: an ar archive that holds compressed tar archives (deb(5))."""

from __future__ import annotations

import posixpath
import tarfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, NamedTuple, cast

from orchestrator.ground.errors import TallyError
from orchestrator.ground.plainly import why

_MAGIC = b"!<arch>\n"
_BLOCK = 1 << 20  # tar reads ahead by this much; with its default of 10 kB Python's share of the time shows
_MEMBER_LIMIT = 64 << 20  # what may be read into memory at once; copyright files and busybox are far smaller


class Member(NamedTuple):
    """What stands at a path inside a package."""

    content: bytes | None
    link: str | None
    """Where a link points, as a path from the package's top; None for a file."""


def read_first(deb: Path, names: Collection[str]) -> Member | None:
    """The first file or link inside a .deb that stands at one of these paths, given without a leading `./`.

    Reads no further than that. Raises TallyError when `deb` is not a Debian package.
    """
    with _data(deb) as archive:
        for member in archive:
            path = member.name.removeprefix("./")
            if path not in names:
                continue
            if member.issym() or member.islnk():
                return Member(None, _target(path, member))
            if member.isreg() and (stream := archive.extractfile(member)) is not None:
                if member.size > _MEMBER_LIMIT:
                    raise TallyError(f"{path} in {deb.name} holds {member.size} bytes: too much to read")
                return Member(stream.read(), None)
    return None


def _target(path: str, member: tarfile.TarInfo) -> str:
    if member.islnk():
        return member.linkname.removeprefix("./")
    return posixpath.normpath(posixpath.join("/", posixpath.dirname(path), member.linkname)).lstrip("/")


@contextmanager
def _data(deb: Path) -> Iterator[tarfile.TarFile]:
    """The package's `data.tar` as a stream of members."""
    try:
        with deb.open("rb") as stream:
            name = _seek_member(stream, deb, "data.tar")
            with (
                _decompressed(stream, name, deb) as raw,
                tarfile.open(fileobj=raw, mode="r|", bufsize=_BLOCK) as archive,
            ):
                yield archive
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise TallyError(f"{deb.name} is not a readable Debian package: {why(error)}") from error


def _seek_member(stream: BinaryIO, deb: Path, prefix: str) -> str:
    """Stop at the first byte of the first ar member whose name starts so; gives its name."""
    if stream.read(len(_MAGIC)) != _MAGIC:
        raise TallyError(f"{deb.name} is not a Debian package")
    while len(header := stream.read(60)) == 60:
        name = header[:16].decode("ascii", "replace").strip().rstrip("/")
        size = int(header[48:58])
        if name.startswith(prefix):
            return name
        stream.seek(size + size % 2, 1)
    raise TallyError(f"{deb.name} is not a Debian package: it has no {prefix}")


@contextmanager
def _decompressed(stream: BinaryIO, name: str, deb: Path) -> Iterator[IO[bytes]]:
    import bz2
    import gzip
    import lzma

    match name.removeprefix("data.tar"):
        case "":
            yield stream
        case ".xz" | ".lzma":
            with lzma.open(stream) as raw:
                yield cast("IO[bytes]", raw)
        case ".gz":
            with gzip.open(stream) as raw:
                yield cast("IO[bytes]", raw)
        case ".bz2":
            with bz2.open(stream) as raw:
                yield cast("IO[bytes]", raw)
        case ".zst":
            with _zstd(stream, deb) as raw:
                yield raw
        case suffix:
            raise TallyError(f"{deb.name}: packages compressed as {suffix} cannot be read")


@contextmanager
def _zstd(stream: BinaryIO, deb: Path) -> Iterator[IO[bytes]]:
    try:
        import zstandard
    except ImportError as error:
        raise TallyError(
            f"{deb.name} is compressed with zstd, which this Python cannot read", hint="pip install zstandard"
        ) from error
    with zstandard.ZstdDecompressor().stream_reader(stream) as raw:
        try:
            yield cast("IO[bytes]", raw)
        except zstandard.ZstdError as error:
            raise TallyError(f"{deb.name} is not a readable Debian package: {why(error)}") from error
