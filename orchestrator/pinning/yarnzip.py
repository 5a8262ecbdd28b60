"""The archive that yarn 4 makes of a package, whose digest is what its lock has: a zip without compression.

No specification; `tgzUtils.ts` of @yarnpkg/core and its libzip make it. Files are in the tarball's order,
below node_modules/NAME, each at one fixed time; a folder comes before the first that is in it.
"""

from __future__ import annotations

import hashlib
import stat
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Final

from orchestrator.ground.unreachable import Unreachable
from orchestrator.ground.zips import ERRORS

_TIME: Final = (1984, 6, 22, 21, 50, 0)
_MOST: Final = 1 << 30
"""Bytes of a package, unpacked."""
_IN_MEMORY: Final = 32 << 20


def sha512_of(tarball: Path, name: str) -> str:
    """In hexadecimal, of the archive of a package's tarball. Raises Unreachable for what is no tarball."""
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as made:
        try:
            with tarfile.open(tarball) as tar, zipfile.ZipFile(made, "w") as packed:
                _pack(tar, packed, name)
        except (*ERRORS, tarfile.TarError) as error:
            raise Unreachable(f"it is no tarball that can be read: {error}") from error
        made.seek(0)
        return hashlib.file_digest(made, "sha512").hexdigest()


def _pack(tar: tarfile.TarFile, packed: zipfile.ZipFile, name: str) -> None:
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
                packed.writestr(_entry(folder, stat.S_IFDIR | 0o755, 20), b"")
        if member.isreg():
            data = tar.extractfile(member)
            mode = stat.S_IFREG | (0o755 if member.mode & 0o111 else 0o644)
            packed.writestr(_entry("/".join(parts), mode, 10), data.read() if data is not None else b"")


def _entry(path: str, mode: int, needed: int) -> zipfile.ZipInfo:
    found = zipfile.ZipInfo(path, _TIME)
    found.create_system, found.create_version, found.extract_version = 3, 63, needed
    found.external_attr = mode << 16
    return found
