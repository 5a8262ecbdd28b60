"""The metadata of packages that recipes and lock files name, read out of their own files in the store."""

from __future__ import annotations

import posixpath
import tarfile
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Final, Protocol

from orchestrator.dependencies import metadata
from orchestrator.dependencies.dependency import Ecosystem
from orchestrator.dependencies.licence_texts import is_text, told_by
from orchestrator.dependencies.metadata import Metadata
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import opened
from orchestrator.ground.plainly import why
from orchestrator.ground.zips import ERRORS
from orchestrator.nix.chroot import ChrootStore
from orchestrator.pinning.depended import Depended, with_needs
from orchestrator.recipe.licences import check_license

_LARGEST: Final = 4 << 20
"""Bytes of metadata."""
_MOST: Final = 1 << 30
"""Bytes of a package that are looked through, unpacked."""
_OF_EACH: Final = 4096
"""Bytes that a file of a package counts for besides."""
_MOST_TEXTS: Final = 20
"""Files of a package that may say its licence; of more it is not known."""
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


def of_dependencies(
    store: ChrootStore, pinned: Mapping[str, Sequence[Depended]], absent: Collection[str] = ()
) -> tuple[Mapping[str, Metadata], Mapping[str, Sequence[Depended]]]:
    """Store path of what lock files pin to what it says of itself, if anything; and what they pin.

    `pinned`, by recipe, comes back with the edges that are told so. `absent` are store paths that the store
    has not. Raises TallyError where something is another package than its lock file says, or cannot be read.
    """
    packages = {each.path: each for some in pinned.values() for each in some if each.path not in absent}
    found = {path: metadata_of(store.physical(path), each) for path, each in packages.items()}
    told = {path: each for path, each in found.items() if each is not None}
    needs = {path: each.needs for path, each in told.items() if each.needs}
    return told, {name: with_needs(some, needs) for name, some in pinned.items()}


def metadata_of(file: Path, of: Named, by: str = "a lock file") -> Metadata | None:
    """What a package's own file says of it; None: it says nothing. A licence is an SPDX expression, or None.

    Raises TallyError where it is another package than is said; `by` is who says so.
    """
    if file.is_dir() and of.ecosystem is not Ecosystem.NPM:
        return None  # the tree of a repository, which may hold many packages
    try:
        if of.ecosystem is Ecosystem.GO and not _is_zip(file):
            return None  # a go.mod by which versions are chosen
        read = next(_within(file, metadata.FILES[of.ecosystem].fullmatch), None)
        found = metadata.read(of.ecosystem, read[1]) if read is not None and read[1] is not None else None
        licence = _checked(found.license) if found is not None else None
        if licence is None and (found is None or not found.refuses):
            licence = _by_texts(file, of.ecosystem, found.texts if found is not None else ())
    except (*ERRORS, tarfile.TarError) as error:
        raise TallyError(f"the file of {of.name} {of.version} cannot be read: {why(error)}") from error
    if found is None:
        return None if licence is None else Metadata(None, None, licence)
    if not found.is_of(of.ecosystem, of.name, of.version):
        raise TallyError(
            f"{by} says that {file.name[33:]} is {of.name} {of.version}; it says of itself that it is "
            f"{str(found.name)[:80]} {str(found.version)[:80]}",
            hint=f"find out what {by} ought to say: the release would name another package",
        )
    return replace(found, license=licence)


def _by_texts(package: Path, ecosystem: Ecosystem, named: Collection[str]) -> str | None:
    """The licence that its texts tell; `named` are those that its metadata names. None: it is not known."""
    where = metadata.TEXTS[ecosystem]

    def wanted(name: str) -> bool:
        found = where.fullmatch(name)
        return found is not None and (is_text(found[1]) or found[1] in named)

    texts: list[bytes] = []
    missing = set(named)
    for name, content in islice(_within(package, wanted), _MOST_TEXTS + 1):
        if content is None:
            return None
        texts.append(content)
        missing.discard(posixpath.basename(name))
    return None if missing or len(texts) > _MOST_TEXTS else told_by(texts)


_File = tuple[str, bytes | None]
"""Name and content, of that the first `_LARGEST` bytes; None: it is not known, as of a link."""


def _within(package: Path, wanted: Callable[[str], object]) -> Iterator[_File]:
    """The wanted files of a package, and last `("", None)` where not all of it was looked through."""
    if package.is_dir():
        return _in_folder(package, wanted)
    return _in_zip(package, wanted) if _is_zip(package) else _in_tar(package, wanted)


def _is_zip(file: Path) -> bool:
    """By how it begins: a tar may have a zip behind it."""
    with opened(file) as stream:
        return stream.read(2) == b"PK"


def _in_folder(folder: Path, wanted: Callable[[str], object]) -> Iterator[_File]:
    for each in sorted(folder.iterdir()):
        if not wanted(f"{folder.name}/{each.name}"):
            continue
        if each.is_symlink():
            yield each.name, None  # it may lead out of the store
        elif each.is_file():
            with opened(each) as stream:
                yield each.name, stream.read(_LARGEST)


def _in_tar(file: Path, wanted: Callable[[str], object]) -> Iterator[_File]:
    total = 0
    with tarfile.open(file, mode="r|*") as tar:
        while (member := tar.next()) is not None:
            tar.members.clear()  # type: ignore[attr-defined]  # else it keeps all of them
            total += max(0, member.size) + _OF_EACH
            if total > _MOST:
                yield "", None
                return
            name = posixpath.normpath(member.name)
            if not wanted(name) or member.isdir():
                continue
            stream = tar.extractfile(member) if member.isreg() else None
            yield name, None if stream is None else stream.read(_LARGEST)


def _in_zip(file: Path, wanted: Callable[[str], object]) -> Iterator[_File]:
    with zipfile.ZipFile(file) as packed:
        for each in packed.infolist():
            if wanted(each.filename):
                with packed.open(each) as stream:
                    yield each.filename, stream.read(_LARGEST)


def _checked(licence: str | None) -> str | None:
    """An expression in its one spelling; None for what is none, such as `SEE LICENSE IN …`."""
    try:
        return check_license(licence) if licence is not None else None
    except ValueError:
        return None
