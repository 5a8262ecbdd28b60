"""The archive that yarn 2 and later make of a package, whose digest is what their locks have.

No specification; `tgzUtils.ts` of @yarnpkg/core and its libzip make it. Files are in the tarball's order,
below node_modules/NAME, each at one fixed time; a folder comes before the first that is in it. The archive is
made to the byte: a zlib that compresses otherwise than yarn's own makes another, which is refused.
"""

from __future__ import annotations

import hashlib
import stat
import struct
import tarfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from orchestrator.dependencies.node.berry_form import Form
from orchestrator.ground.errors import TallyError
from orchestrator.ground.unreachable import Unreachable
from orchestrator.ground.zips import ERRORS

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST: Final = 1 << 30
"""Bytes of a package, unpacked."""
_ENTRIES: Final = 0xFFFF
_WINDOW: Final = 8192
"""What libzip reads at once. Of files that fit it keeps the bytes where these are no more than compressed."""
_BEST: Final = 9
_STORED, _DEFLATED = 0, 8
_EXTRA: Final = (
    "pipx inject tallystick zlib-ng; without pipx, install it beside tally. Or take compressionLevel out of "
    ".yarnrc.yml, then `yarn install`"
)


def sha512_of(tarball: Path, name: str, form: Form) -> str:
    """In hexadecimal, of the archive of a package's tarball. Raises Unreachable for what is no tarball."""
    try:
        with tarfile.open(tarball) as tar:
            return _digest(_files(tar, name), form)
    except (*ERRORS, tarfile.TarError) as error:
        raise Unreachable(f"it is no tarball that can be read: {error}") from error


def _files(tar: tarfile.TarFile, name: str) -> Iterator[tuple[str, int, bytes]]:
    """The path, the mode and the bytes of each entry; of a folder the path ends in a slash."""
    folders: set[str] = set()
    total = 0
    for member in tar:
        total += member.size
        if total > _MOST:
            raise Unreachable(f"it unpacks to more than {_MOST >> 30} GiB")
        within = [part for part in member.name.split("/") if part not in ("", ".")][1:]
        if ".." in within or not (member.isdir() or member.isreg()):
            raise Unreachable(f"it holds {member.name[:200]!r}, which no registry would pack")
        if not within:
            continue
        parts = ["node_modules", *name.split("/"), *within]
        for count in range(1, len(parts) + member.isdir()):
            folder = "/".join(parts[:count]) + "/"
            if folder not in folders:
                folders.add(folder)
                yield folder, stat.S_IFDIR | 0o755, b""
        if member.isreg():
            data = tar.extractfile(member)
            mode = stat.S_IFREG | (0o755 if member.mode & 0o111 else 0o644)
            yield "/".join(parts), mode, data.read() if data is not None else b""


def _digest(files: Iterator[tuple[str, int, bytes]], form: Form) -> str:
    """Of a zip of these: APPNOTE.TXT of PKWARE, sections 4.3.7, 4.3.12 and 4.3.16."""
    seen, offset = hashlib.sha512(), 0
    entries: list[bytes] = []
    for path, mode, data in files:
        name = path.encode("utf-8", "surrogateescape")
        method, packed = _packed(data, form, is_folder=path.endswith("/"))
        flags = 0 if name.isascii() else 0x800
        if method == _DEFLATED:
            level = _BEST if form.level is None else form.level
            flags |= 2 if level > 7 else 4 if level < 3 else 0
        needed = 20 if path.endswith("/") or method == _DEFLATED else 10
        common = struct.pack(
            "<HHHIIIIHH",
            needed,
            flags,
            method,
            form.time,
            zlib.crc32(data),
            len(packed),
            len(data),
            len(name),
            0,
        )
        entries.append(
            b"PK\1\2"
            + struct.pack("<BB", 63, 3)
            + common
            + struct.pack("<HHHII", 0, 0, 0, mode << 16, offset)
            + name
        )
        if len(entries) > _ENTRIES:
            raise Unreachable(f"it holds more than {_ENTRIES:,} files")
        for each in (b"PK\3\4" + common, name, packed):
            seen.update(each)
            offset += len(each)
    directory = b"".join(entries)
    count = len(entries)
    seen.update(directory)
    seen.update(b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, count, count, len(directory), offset, 0))
    return seen.hexdigest()


def _packed(data: bytes, form: Form, *, is_folder: bool) -> tuple[int, bytes]:
    """The method, and the bytes by it: libzip's `zip_source_compress.c` and `zip_algorithm_deflate.c`."""
    if is_folder or form.level == 0:
        return _STORED, data
    packed = _compressed(data, form)
    if form.level is None and len(data) <= _WINDOW and len(data) <= len(packed):
        return _STORED, data
    return _DEFLATED, packed


def _compressed(data: bytes, form: Form) -> bytes:
    """As libzip has it from its zlib. What zlib-ng makes follows from how much it is given at once, too."""
    settings = form.level or _BEST, zlib.DEFLATED, -zlib.MAX_WBITS, 9
    if not form.by_next:
        deflate = zlib.compressobj(*settings)
        return deflate.compress(data) + deflate.flush()
    from zlib_ng import zlib_ng  # an extra

    following = zlib_ng.compressobj(*settings)
    parts = [following.compress(data[at : at + _WINDOW]) for at in range(0, len(data), _WINDOW)]
    return b"".join(parts) + following.flush()


def refuse_without(form: Form, place: str) -> None:
    """Raises TallyError where a lock's archives need zlib-ng, which is not there. `place` names the lock."""
    if form.by_next:
        try:
            import zlib_ng  # noqa: F401
        except ImportError as error:
            problem = (
                f"{place}: its checksums are of archives that yarn compresses, and making them needs zlib-ng"
            )
            raise TallyError(problem, hint=_EXTRA) from error
