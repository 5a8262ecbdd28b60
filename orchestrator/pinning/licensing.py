"""Licences of locked Debian packages, from their own copyright files."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from threading import Event

from orchestrator.ground.parallel import in_parallel
from orchestrator.pinning.copyright import license_of
from orchestrator.pinning.request import package_output
from orchestrator.recipe.lock import DebianPackage
from orchestrator.recipe.wanted import wanted_from
from orchestrator.sources.deb import read_first
from orchestrator.sources.folder import Sources

_DOCUMENTS = "usr/share/doc"


def with_licences(
    packages: Iterable[DebianPackage], known: Collection[str], sources: Sources
) -> tuple[DebianPackage, ...]:
    """The packages, each that is not `known` by file name with the licence that its copyright file states.

    New packages are fetched. A package may point to another's copyright file, as Debian lets those of one
    source do: the other is then asked. Raises TallyError when one cannot be fetched or read.
    """
    every = tuple(packages)
    new = [package for package in every if package.file not in known]
    sources.fetch_all(wanted_from(package_output(package)) for package in new)
    said = _copyrights(new, sources)
    by_name: dict[str, DebianPackage] = {}
    for package in every:
        by_name.setdefault(package.name, package)
    result = []
    for package in every:
        if package.file in said:
            result.append(package.model_copy(update={"license": _license(package, said, by_name)}))
        else:
            result.append(package)
    return tuple(result)


def _license(
    package: DebianPackage, said: Mapping[str, bytes | str | None], by_name: Mapping[str, DebianPackage]
) -> str | None:
    """Follows packages that point to others; one that is not here leaves the licence unknown."""
    seen = {package.file}
    found = said[package.file]
    while isinstance(found, str):
        other = by_name.get(found)
        if other is None or other.file in seen:
            return None
        if other.file not in said:
            return other.license
        seen.add(other.file)
        found = said[other.file]
    return license_of(found.decode("utf-8", "replace")) if found is not None else None


def _copyrights(packages: Iterable[DebianPackage], sources: Sources) -> Mapping[str, bytes | str | None]:
    """File name to what `_copyright` says. Decompression leaves Python's lock, so threads share it."""
    said: dict[str, bytes | str | None] = {}

    def read(package: DebianPackage) -> None:
        said[package.file] = _copyright(package, sources)

    for _, failure in in_parallel(packages, read, Event(), threads=os.cpu_count() or 1):
        if failure is not None:
            raise failure
    return said


def _copyright(package: DebianPackage, sources: Sources) -> bytes | str | None:
    """A copyright file's bytes, or the name of the package that has it."""
    deb = sources.path(wanted_from(package_output(package)))
    folder = f"{_DOCUMENTS}/{package.name}"
    file = f"{folder}/copyright"
    member = read_first(deb, (folder, file))
    if member is None or member.link is None:
        return member.content if member else None
    other = member.link.removeprefix(f"{_DOCUMENTS}/").split("/")[0]
    return other if member.link.startswith(f"{_DOCUMENTS}/") and other != package.name else None
