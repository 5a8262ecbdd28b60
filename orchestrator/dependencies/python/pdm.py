"""pdm.lock, versions 4.4 and 4.5. Pure.

Format: https://pdm-project.org/latest/usage/lockfile/; pdm's `pdm/project/lockfile/pdmlock.py` and
`pdm/models/repositories/lock.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from orchestrator.dependencies import tomlfile
from orchestrator.dependencies.dependency import Inside, Locked
from orchestrator.dependencies.python.asked import Asked
from orchestrator.dependencies.python.files import (
    PYPI,
    File,
    Pinned,
    checked_url,
    digest_of,
    locked,
    name_in,
    refuse_subdirectory,
    urls_of,
)
from orchestrator.dependencies.python.manifest import Manifest, normalised, unmet
from orchestrator.dependencies.python.own import own_file, part_of, refuse_outside, tree_of
from orchestrator.dependencies.python.walk import Edge, fits, holds, places, reached
from orchestrator.dependencies.tomlfile import Table, TomlFile
from orchestrator.ground.values import dataclass
from orchestrator.ground.wording import some

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_AGAIN: Final = "have pdm write it again: `pdm lock`"
_VERSIONS: Final = ("4.4", "4.5")
_MAIN: Final = "default"


@dataclass(frozen=True, slots=True)
class _Lock:
    file: TomlFile
    packages: tuple[Table, ...]
    """One project stands there once for each set of extras that something asks of it."""
    names: tuple[str, ...]
    extras: tuple[frozenset[str], ...]
    by_name: Mapping[str, Sequence[int]]
    asked: Asked

    def find(self, requirement: Requirement, table: Table | None = None) -> Iterator[Edge]:
        """The package that a requirement leads to, once more for its extras."""
        name = normalised(requirement.name)
        extras = frozenset(normalised(each) for each in requirement.extras)
        found = [
            at
            for at in self.by_name.get(name, ())
            if self._true(self.packages[at])
            and requirement.specifier.contains(self.packages[at].text("version"), prereleases=True)
        ]
        if not found:
            raise (table.bad if table else self._bad)(f"it asks for {requirement}, which the lock has not")
        fitting = [at for at in found if self.extras[at] == extras] or found
        yield Edge(fitting[0])

    def _bad(self, problem: str) -> Exception:
        return self.file.bad(None, problem)

    def _true(self, package: Table) -> bool:
        try:
            return holds(package.maybe("marker"), self.asked.interpreter)
        except ValueError as error:
            raise package.bad(str(error)) from error

    def edges(self, requirements: Iterable[Requirement], table: Table | None = None) -> Iterator[Edge]:
        for each in requirements:
            marker = str(each.marker) if each.marker else None
            try:
                applies = holds(marker, self.asked.interpreter)
            except ValueError as error:
                raise (table.bad if table else self._bad)(str(error)) from error
            if applies:
                yield from self.find(each, table)

    def follow(self, at: int, extra: str | None) -> Iterable[Edge]:
        package = self.packages[at]
        return self.edges(_requirements(package), package) if extra is None else ()


def read(data: bytes, place: str, asked: Asked, manifest: Manifest) -> Locked:
    """What of a lock a Python takes. Raises BadLock."""
    file = tomlfile.read(data, place, _AGAIN)
    lock = _lock(file, asked)
    metadata = file.table("metadata")
    _check(metadata, manifest, lock)
    main = manifest.expanded(
        (*manifest.main(), *(each for extra in asked.extras for each in manifest.extras()[extra]))
    )
    groups = manifest.expanded(each for group in asked.groups for each in _group(manifest, group))
    shipped = reached(tuple(lock.edges(main)), lock.follow)
    every = reached((*lock.edges(main), *lock.edges(groups)), lock.follow)
    outside = [at for at in sorted(every.needs) if not _is_own(lock.packages[at])]
    inside = {kept.name: kept for at in outside if (kept := _inside(lock.packages[at])) is not None}
    merged: dict[str, Pinned] = {}
    for at in outside:
        if "path" not in lock.packages[at].values:
            own = _pinned(lock, at, every.needs[at], at in every.direct, at in shipped.needs)
            merged[own.key] = _together(merged.get(own.key), own)
    return locked(merged.values(), inside.values(), asked.interpreter, place, _AGAIN)


def _lock(file: TomlFile, asked: Asked) -> _Lock:
    packages = file.tables("package")
    names = tuple(normalised(package.text("name")) for package in packages)
    extras = tuple(frozenset(map(normalised, package.texts("extras"))) for package in packages)
    return _Lock(file, packages, names, extras, places(names), asked)


def _check(metadata: Table, manifest: Manifest, lock: _Lock) -> None:
    file, asked = lock.file, lock.asked
    version = metadata.values.get("lock_version")
    if not isinstance(version, str) or ".".join(version.split(".")[:2]) not in _VERSIONS:
        problem = f"it is of version {str(version)[:20]}, and {' and '.join(_VERSIONS)} are read"
        raise file.bad(file.line_of("lock_version"), problem)
    known = metadata.texts("groups")
    for group in (*asked.extras, *asked.groups):
        if known and group not in map(normalised, known):
            hint = f"it has: {some(sorted(known))}; `pdm lock --group :all` locks all of them"
            raise file.bad(file.line_of("groups"), f"it has no group {group}", hint)
    targets = metadata.listed("targets")
    try:
        wanted = str(manifest.project.get("requires-python") or "")
        if not fits(wanted, asked.interpreter) or (
            targets and not any(fits(each.maybe("requires_python"), asked.interpreter) for each in targets)
        ):
            raise file.bad(
                file.line_of("requires_python"),
                f"it is for Python {wanted or targets[0].maybe('requires_python')}, and the toolchain has "
                f"{asked.interpreter.version}",
                "use a toolchain with such a Python",
            )
        for extra in asked.extras:
            if extra not in manifest.extras():
                hint = f"it has: {some(sorted(manifest.extras()))}"
                raise file.bad(None, f"{manifest.place} has no extra {extra}", hint)
        versions: dict[str, list[str]] = {}
        for at, name in enumerate(lock.names):
            versions.setdefault(name, []).append(lock.packages[at].text("version"))
        for group in asked.groups:
            if group not in (*manifest.groups(), *map(normalised, _own_groups(manifest))):
                hint = f"it has: {some(sorted({*manifest.groups(), *_own_groups(manifest)}))}"
                raise file.bad(None, f"{manifest.place} has no group {group}", hint)
        asked_for = manifest.expanded(
            (*manifest.main(), *(each for group in asked.groups for each in _group(manifest, group)))
        )
        lacking = unmet(asked_for, asked.interpreter, versions)
    except ValueError as error:
        raise metadata.bad(str(error)) from error
    if lacking:
        problem = f"it was made for another pyproject.toml: {manifest.place} asks for {lacking}"
        raise file.bad(file.line_of("content_hash"), problem)


def _group(manifest: Manifest, name: str) -> tuple[Requirement, ...]:
    """A group of PEP 735, or one of pdm's own."""
    found = manifest.group(name)
    for group, listed in _own_groups(manifest).items():
        if normalised(group) == name and isinstance(listed, list):
            found += tuple(manifest.requirement(each) for each in listed if not str(each).startswith("-e"))
    return found


def _own_groups(manifest: Manifest) -> Mapping[str, Any]:
    found = manifest.tool("pdm").get("dev-dependencies")
    return found if isinstance(found, dict) else {}


def _requirements(package: Table) -> Iterator[Requirement]:
    from packaging.requirements import InvalidRequirement, Requirement

    for each in package.texts("dependencies"):
        try:
            yield Requirement(each)
        except (InvalidRequirement, RecursionError) as error:
            raise package.bad(f"{each[:80]!r} is no requirement") from error


def _is_own(package: Table) -> bool:
    """Whether it is a folder of the repository. Raises BadLock for one outside, and for others than git's."""
    name = package.text("name")
    if any(key in package.values for key in ("hg", "svn", "bzr")):
        raise package.bad(f"{name} comes from a repository that is not git's", "lock a release of it")
    path = package.maybe("path")
    if path is None:
        return False
    refuse_outside(package, name, path)
    return path.removesuffix("/") in (".", "") or not package.listed("files")


def _inside(package: Table) -> Inside | None:
    """A file of the repository itself; None: it is none. Raises BadLock where nothing tells its digest."""
    path = package.maybe("path")
    if path is None:
        return None
    told, name = package.listed("files")[0], normalised(package.text("name"))
    digest = digest_of(told.values.get("hash"), package.file.place, package.line, f"{path} of {name}")
    return own_file(package, name, path, digest)


def _pinned(lock: _Lock, at: int, needs: Iterable[int], direct: bool, shipped: bool) -> Pinned:
    package = lock.packages[at]
    name, version = lock.names[at], package.text("version")
    keys = {
        f"{lock.names[to]}@{lock.packages[to].text('version')}"
        for to in needs
        if "path" not in lock.packages[to].values
    }
    url, repository = package.maybe("url"), package.maybe("git")
    told = package.values.get("subdirectory")
    if not repository:
        refuse_subdirectory(told, lock.file.place, package.line)
    return Pinned(
        name,
        version,
        package.line,
        tuple(_file(each, name, url) for each in package.listed("files")),
        PYPI if url is None else checked_url(url, lock.file.place, package.line),
        direct=direct,
        shipped=shipped,
        needs=tuple(sorted(keys - {f"{name}@{version}"})),
        tree=tree_of(package, name, repository, package.maybe("revision")) if repository else None,
        part=part_of(package, name, told) if repository else None,
    )


def _file(table: Table, name: str, url: str | None) -> File:
    address = table.maybe("url") or url
    if address is not None:
        address = checked_url(address, table.file.place, table.line)
    file = table.maybe("file") or (name_in(address) if address else "")
    digest = digest_of(table.values.get("hash"), table.file.place, table.line, f"{file} of {name}")
    if url is not None and address is not None:
        return File(file, digest, (address,))
    return File(file, digest, urls_of(name, file, PYPI, address))


def _together(one: Pinned | None, other: Pinned) -> Pinned:
    """A project, and the same once more with extras."""
    if one is None:
        return other
    return Pinned(
        one.name,
        one.version,
        min(one.line, other.line),
        one.files or other.files,
        one.registry,
        direct=one.direct or other.direct,
        shipped=one.shipped or other.shipped,
        needs=tuple(sorted({*one.needs, *other.needs})),
        tree=one.tree or other.tree,
        part=one.part or other.part,
    )
