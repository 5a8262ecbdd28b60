"""The metadata of packages that recipes and lock files name, read out of their own files in the store."""

from __future__ import annotations

import re
import tarfile
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from orchestrator.dependencies import metadata
from orchestrator.dependencies.dependency import Ecosystem
from orchestrator.dependencies.metadata import Metadata
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import contents
from orchestrator.ground.plainly import why
from orchestrator.ground.zips import ERRORS
from orchestrator.recipe.licences import check_license

_LARGEST: Final = 4 << 20
"""Bytes of metadata."""
_MOST: Final = 1 << 30
"""Bytes of a package that are looked through, unpacked."""
_TYPES: Final = {"npm": Ecosystem.NPM, "pypi": Ecosystem.PYTHON, "cargo": Ecosystem.CARGO}
"""Types of package URLs."""


class Named(Protocol):
    """A package, as a recipe or a lock file names it."""

    @property
    def ecosystem(self) -> Ecosystem: ...
    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Registered:
    """A package of a registry, by the package URL that a recipe's source has."""

    ecosystem: Ecosystem
    name: str
    version: str


def of_registry(purl: str) -> Registered | None:
    """The package that a package URL names; None: not one whose file says itself what it is."""
    from packageurl import PackageURL

    found = PackageURL.from_string(purl)
    ecosystem = _TYPES.get(found.type)
    if ecosystem is None or not found.version:
        return None
    return Registered(ecosystem, "/".join(filter(None, (found.namespace, found.name))), found.version)


def metadata_of(file: Path, of: Named, by: str = "a lock file") -> Metadata | None:
    """What a package's own file says of it; None: it says nothing. A licence is an SPDX expression, or None.

    Raises TallyError where it is another package than is said; `by` is who says so.
    """
    pattern = metadata.FILES[of.ecosystem]
    if file.is_dir() and of.ecosystem is not Ecosystem.NPM:
        return None  # the tree of a repository, which may hold many packages
    try:
        if of.ecosystem is Ecosystem.GO and not zipfile.is_zipfile(file):
            return None  # a go.mod by which versions are chosen
        if file.is_dir():
            data: bytes | None = contents(file / "package.json", _LARGEST)
        else:
            data = _of_zip(file, pattern) if zipfile.is_zipfile(file) else _of_tar(file, pattern)
    except (*ERRORS, tarfile.TarError) as error:
        raise TallyError(f"the file of {of.name} {of.version} cannot be read: {why(error)}") from error
    found = metadata.read(of.ecosystem, data) if data is not None else None
    if found is None:
        return None
    if not found.is_of(of.ecosystem, of.name, of.version):
        raise TallyError(
            f"{by} says that {file.name[33:]} is {of.name} {of.version}; it says of itself that it is "
            f"{str(found.name)[:80]} {str(found.version)[:80]}",
            hint=f"find out what {by} ought to say: the release would name another package",
        )
    return replace(found, license=_checked(found.license))


def _of_tar(file: Path, pattern: re.Pattern[str]) -> bytes | None:
    total = 0
    with tarfile.open(file, mode="r|*") as tar:
        for member in tar:
            total += member.size
            if total > _MOST:
                return None
            name = member.name.removeprefix("./")
            if pattern.fullmatch(name) and member.isreg() and member.size <= _LARGEST:
                data = tar.extractfile(member)
                return None if data is None else data.read()
    return None


def _of_zip(file: Path, pattern: re.Pattern[str]) -> bytes | None:
    with zipfile.ZipFile(file) as packed:
        for each in packed.infolist():
            if pattern.fullmatch(each.filename) and each.file_size <= _LARGEST:
                with packed.open(each) as stream:
                    return stream.read(_LARGEST)
    return None


def _checked(licence: str | None) -> str | None:
    """An expression in its one spelling; None for what is none, such as `SEE LICENSE IN …`."""
    try:
        return check_license(licence) if licence is not None else None
    except ValueError:
        return None
