"""Reads what is within fixed outputs: vendored dependencies, by the lock file that lies beside them.

Nothing is followed out of a store path, and nothing is read further than a bound.
"""

from __future__ import annotations

import errno
import gzip
import io
import os
import re
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import BinaryIO, Final

from orchestrator.evidence.vendored import cargo, golang, npm, wheels
from orchestrator.evidence.vendored.package import MOST, NotRead, Package, Within
from orchestrator.ground import zips
from orchestrator.ground.digest import Sha256
from orchestrator.ground.files import shown
from orchestrator.nix.derivation import Derivation, attributes
from orchestrator.run.shapes import MOST_NAMES, Shape, names_in

LARGEST: Final = 32 << 20
"""Bytes of a lock file that are read, and of an archive until its lock file comes."""
_HASHED: Final = 512 << 20
"""Bytes of wheels in one place whose digests are taken."""


def within(shape: Shape, path: Path, derivation: Derivation) -> Within:
    """The packages within a fixed output of a shape, whose bytes lie at `path`."""
    match shape:
        case Shape.CRATES:  # `fetchCargoVendor`'s staging, or a folder by `cargo vendor`
            return _of_lock(path / "Cargo.lock", cargo.packages)
        case Shape.CRATES_ARCHIVE:
            return _crates_archive(path)
        case Shape.NPM_CACHE:
            return _of_lock(path / "package-lock.json", npm.packages)
        case Shape.GO_VENDOR:
            sums = _sums(path, derivation)
            return _of_lock(path / "modules.txt", lambda data: golang.packages(data, sums))
        case Shape.GO_PROXY:
            return _proxied(path)
        case Shape.PYTHON:
            return _python(path)


def _crates_archive(path: Path) -> Within:
    """`fetchCargoTarball`'s: its folder has the lock before the crates, since it is sorted."""

    try:
        with (
            _opened(path) as stream,
            gzip.GzipFile(fileobj=stream) as plain,
            tarfile.open(fileobj=_Bounded(plain), mode="r|") as archive,
        ):
            for member in archive:
                if member.isreg() and re.fullmatch(r"(\./)?[^/]+/Cargo\.lock", member.name):
                    file = archive.extractfile(member)
                    assert file is not None
                    if member.size > LARGEST:  # a sparse one may say what it likes
                        raise NotRead(f"it is larger than {LARGEST >> 20} MiB")
                    return Within.of(cargo.packages(file.read()))
        raise NotRead("there is none")
    except (tarfile.TarError, *zips.ERRORS) as error:
        return Within(unread=(f"Cargo.lock within it was not read: {_why(error)}.",))


class _Bounded(io.RawIOBase):
    """A stream that ends in an error past the bound."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        self._stream, self._left = stream, LARGEST

    def read(self, size: int = -1) -> bytes:
        if self._left <= 0:
            raise NotRead(f"it is not in the first {LARGEST >> 20} MiB")
        data = self._stream.read(size)
        self._left -= len(data)
        return data


def _proxied(path: Path) -> Within:
    """`goModules` with `proxyVendor`: a module proxy's files."""
    found: list[Package] = []
    unread: list[str] = []
    for number, (folder, _, files) in enumerate(os.walk(path)):
        if number == MOST_NAMES or len(found) > MOST:
            return Within(unread=("Its modules were not read: there are too many.",))
        if folder.endswith("/@v"):
            place = os.path.relpath(folder, path)
            for file in sorted(each for each in files if each.endswith(".zip")):
                try:
                    hash_ = _text(Path(folder, f"{file[:-4]}.ziphash"), 100)
                    found.append(golang.proxied(place, file, hash_))
                except NotRead as error:
                    unread.append(f"{shown(Path(place, file))} within it was not read: {error}.")
    return Within.of(found, sorted(unread))


def _sums(path: Path, derivation: Derivation) -> Mapping[tuple[str, str], str]:
    """The go.sum of the source that the modules are of, where that is a folder in the same store."""
    given = attributes(derivation)
    source, below = given.get("src"), given.get("modRoot")
    parts = [each for each in below.split("/") if each not in ("", ".")] if isinstance(below, str) else []
    if not isinstance(source, str) or not source.startswith("/nix/store/") or ".." in parts:
        return {}
    try:
        return golang.sums_of(_read(path.parent.joinpath(source.split("/")[3], *parts, "go.sum"), LARGEST))
    except (OSError, NotRead):
        return {}


def _python(path: Path) -> Within:
    """Wheels and source distributions, or what is installed from them."""
    found: list[Package] = []
    unread: list[str] = []
    left = _HASHED
    names = sorted(names_in(path))
    has_wheels = any(name.endswith(".whl") for name in names)
    for name in names:
        file = path / name
        try:
            if name.endswith(".dist-info") and not file.is_symlink():
                found.append(wheels.of_metadata(_read(file / "METADATA", LARGEST)))
            elif name.endswith(".whl") or (has_wheels and name.endswith((".tar.gz", ".zip"))):
                left -= file.lstat().st_size
                one = _distribution(file, hashed=left >= 0)
                found += [one] if one else []
        except zips.ERRORS as error:
            unread.append(f"{shown(Path(name))} within it was not read: {_why(error)}.")
    if left < 0:
        unread.append(f"Digests are told of the first {_HASHED >> 20} MiB within it alone.")
    return Within.of(found, unread)


def _distribution(file: Path, *, hashed: bool) -> Package | None:
    with _opened(file) as stream:
        digest = Sha256.of_stream(stream) if hashed else None
        if not file.name.endswith(".whl"):
            return wheels.of_sdist(file.name, digest)
        with zipfile.ZipFile(stream) as archive:
            folder = "-".join(file.name.split("-")[:2])
            inside = next(
                (each for each in archive.infolist() if each.filename == f"{folder}.dist-info/METADATA"), None
            )
            if inside is None or inside.file_size > LARGEST:
                raise NotRead("it has no METADATA" if inside is None else "its METADATA is too large")
            with archive.open(inside) as metadata:
                return wheels.of_wheel(file.name, metadata.read(LARGEST), digest)


def _of_lock(path: Path, read: Callable[[bytes], Iterable[Package]]) -> Within:
    try:
        return Within.of(read(_read(path, LARGEST)))
    except (OSError, NotRead) as error:
        return Within(unread=(f"{path.name} within it was not read: {_why(error)}.",))


def _why(error: BaseException) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


def _text(path: Path, largest: int) -> str | None:
    try:
        return _read(path, largest).decode("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None


def _read(path: Path, largest: int) -> bytes:
    """A file's bytes. Raises OSError, and NotRead for more than `largest`."""
    with _opened(path) as stream:
        data = stream.read(largest + 1)
    if len(data) > largest:
        raise NotRead(f"it is larger than {largest >> 20} MiB")
    return data


def _opened(path: Path) -> BinaryIO:
    """A file in the store: never what a link in it leads to. Raises OSError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP and path.is_symlink():
            raise OSError(errno.ELOOP, "it is a link, which is not followed", str(path)) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no file", str(path))
    return os.fdopen(descriptor, "rb")
