"""poetry.lock, versions 1.1, 2.0 and 2.1. Pure.

Format: poetry's `poetry/packages/locker.py`; https://python-poetry.org/docs/dependency-specification/.
"""

from __future__ import annotations

import hashlib
import json
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
    registry_of,
    urls_of,
)
from orchestrator.dependencies.python.manifest import Manifest, normalised
from orchestrator.dependencies.python.own import own_file, part_of, refuse_outside, tree_of
from orchestrator.dependencies.python.poetry_versions import allows
from orchestrator.dependencies.python.walk import Edge, holds, places, reached
from orchestrator.dependencies.tomlfile import Table, TomlFile
from orchestrator.ground.values import dataclass
from orchestrator.ground.wording import some

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_AGAIN: Final = "have poetry write it again: `poetry lock`"
_VERSIONS: Final = ("1.1", "2.0", "2.1")
_MAIN: Final = "main"
_LEGACY: Final = ("dependencies", "source", "extras", "dev-dependencies")
_PROJECT: Final = ("requires-python", "dependencies", "optional-dependencies")


@dataclass(frozen=True, slots=True)
class _Wish:
    """One dependency, by a requirement or as Poetry has it."""

    name: str
    version: str
    markers: str | None
    extras: tuple[str, ...]
    optional: bool = False


@dataclass(frozen=True, slots=True)
class _Lock:
    file: TomlFile
    packages: tuple[Table, ...]
    names: tuple[str, ...]
    by_name: Mapping[str, Sequence[int]]
    asked: Asked

    def find(self, wish: _Wish, table: Table) -> int | None:
        """The package that a wish leads to; None: it is one that the lock leaves out for this Python."""
        usable = [at for at in self.by_name.get(wish.name, ()) if self._usable(at)]
        if len(usable) > 1:
            usable = [at for at in usable if self._allowed(wish, at, table)]
        if len(usable) > 1:
            problem = f"it asks for {wish.name} {wish.version}, and the lock has several such packages"
            raise table.bad(problem)
        if not usable and wish.name not in self.by_name and not wish.optional:
            raise table.bad(f"it asks for {wish.name}, which the lock has not")
        return usable[0] if usable else None

    def _allowed(self, wish: _Wish, at: int, table: Table) -> bool:
        try:
            return allows(wish.version, self.packages[at].text("version"))
        except ValueError as error:
            raise table.bad(str(error)) from error

    def _usable(self, at: int) -> bool:
        package = self.packages[at]
        return self.true(package, _python(package), "the Python of it") and any(
            self.holds(package, marker) for marker in _markers(package)
        )

    def true(self, table: Table, python: str, what: str) -> bool:
        try:
            return allows(python, self.asked.interpreter.version)
        except ValueError as error:
            raise table.bad(f"{what} cannot be read: {error}") from error

    def holds(self, table: Table, marker: str | None) -> bool:
        try:
            return holds(marker, self.asked.interpreter, self.asked.extras)
        except ValueError as error:
            raise table.bad(str(error)) from error

    def edges(self, wishes: Iterable[_Wish], table: Table, extras: Iterable[str] = ()) -> Iterator[Edge]:
        for wish in wishes:
            try:
                applies = holds(wish.markers, self.asked.interpreter, extras)
            except ValueError as error:
                raise table.bad(str(error)) from error
            if applies and (at := self.find(wish, table)) is not None:
                yield Edge(at, wish.extras)

    def follow(self, at: int, extra: str | None) -> Iterable[Edge]:
        package = self.packages[at]
        wishes = list(_wishes(package.within("dependencies").values, package))
        if extra is None:
            return self.edges((wish for wish in wishes if not wish.optional), package)
        named = {normalised(each.partition("[")[0].split(" ")[0]) for each in _extra(package, extra)}
        return self.edges((wish for wish in wishes if wish.name in named), package, (extra,))


def read(data: bytes, place: str, asked: Asked, manifest: Manifest) -> Locked:
    """What of a lock a Python takes. Raises BadLock."""
    file = tomlfile.read(data, place, _AGAIN)
    metadata = file.table("metadata")
    _check(file, metadata, asked, manifest)
    packages = file.tables("package")
    names = tuple(normalised(package.text("name")) for package in packages)
    lock = _Lock(file, packages, names, places(names), asked)
    top = Table(file, 1, {})
    main = tuple(lock.edges(_main(manifest, asked, top), top, asked.extras))
    groups = [each for group in asked.groups for each in lock.edges(_group(manifest, group, top), top)]
    shipped = reached(main, lock.follow)
    every = reached((*main, *groups), lock.follow)
    outside = [at for at in sorted(every.needs) if not _is_own(packages[at])]
    inside = [kept for at in outside if (kept := _inside(lock, at)) is not None]
    found = (
        _pinned(lock, at, every.needs[at], at in every.direct, at in shipped.needs)
        for at in outside
        if packages[at].within("source").maybe("type") != "file"
    )
    return locked(found, inside, asked.interpreter, place, _AGAIN)


def _check(file: TomlFile, metadata: Table, asked: Asked, manifest: Manifest) -> None:
    version = metadata.values.get("lock-version")
    if version not in _VERSIONS:
        problem = f"it is of version {str(version)[:20]}, and {', '.join(_VERSIONS)} are read"
        raise file.bad(file.line_of("lock-version"), problem)
    told = metadata.maybe("content-hash")
    if told is None:  # poetry takes such a lock for one that is out of date, too
        raise metadata.bad(f"it has no content-hash, so nothing tells whether it is of {manifest.place}")
    if told not in _hashes(manifest):
        problem = f"it was made for another {manifest.place}: what that asks for has changed since"
        raise file.bad(file.line_of("content-hash"), problem)
    wanted = metadata.maybe("python-versions") or "*"
    try:
        fitting = allows(wanted, asked.interpreter.version)
    except ValueError as error:
        raise file.bad(file.line_of("python-versions"), str(error)) from error
    if not fitting:
        problem = f"it requires Python {wanted}, and the toolchain has {asked.interpreter.version}"
        line = max(n for n, each in enumerate(file.text.split("\n"), 1) if each.startswith("python-versions"))
        raise file.bad(line, problem, "use a toolchain with such a Python")


def _hashes(manifest: Manifest) -> frozenset[str]:
    """What poetry writes for this pyproject.toml, by its versions (`Locker._get_content_hash`)."""
    project = {key: manifest.project[key] for key in _PROJECT if manifest.project.get(key) is not None}
    groups = manifest.values.get("dependency-groups") or {}
    poetry = manifest.tool("poetry")
    legacy = {key: poetry.get(key) for key in _LEGACY}
    grouped = {"group": poetry["group"]} if poetry.get("group") is not None else {}
    set_alone = {key: value for key, value in legacy.items() if value is not None}
    contents: list[Mapping[str, Any]] = [{**legacy, **grouped}, legacy]
    for more in ({"dependency-groups": groups} if groups else {}, {}):
        own: dict[str, Any] = {**({"project": project} if project else {}), **more}
        if own:
            contents.append({**own, "tool": {"poetry": {**set_alone, **grouped}}})
    try:
        return frozenset(
            hashlib.sha256(json.dumps(each, sort_keys=True).encode()).hexdigest() for each in contents
        )
    except TypeError:  # a date, which poetry could not have written either
        return frozenset()


def _main(manifest: Manifest, asked: Asked, top: Table) -> Iterator[_Wish]:
    poetry = manifest.tool("poetry")
    yield from map(_of_requirement, manifest.main())
    own = list(_wishes(_mapping(poetry.get("dependencies")), top))
    told = {normalised(each.name) for each in manifest.main()}
    yield from (wish for wish in own if not wish.optional and wish.name not in {"python", *told})
    extras = {normalised(name): of for name, of in _mapping(poetry.get("extras")).items()}
    for extra in asked.extras:
        if extra not in extras and extra not in manifest.extras():
            hint = f"it has: {some(sorted({*extras, *manifest.extras()}))}"
            raise top.file.bad(None, f"{manifest.place} has no extra {extra}", hint)
        yield from map(_of_requirement, manifest.extras().get(extra, ()))
        named = {normalised(str(each)) for each in extras.get(extra, ())}
        yield from (wish for wish in own if wish.name in named)


def _group(manifest: Manifest, name: str, top: Table) -> Iterator[_Wish]:
    poetry = manifest.tool("poetry")
    groups = {normalised(key): _mapping(value) for key, value in _mapping(poetry.get("group")).items()}
    if "dev-dependencies" in poetry:
        groups.setdefault("dev", {"dependencies": poetry["dev-dependencies"]})
    if name not in groups and name not in manifest.groups():
        hint = f"it has: {some(sorted({*groups, *manifest.groups()}))}"
        raise top.file.bad(None, f"{manifest.place} has no group {name}", hint)
    yield from _wishes(_mapping(groups.get(name, {}).get("dependencies")), top)
    yield from map(_of_requirement, manifest.group(name))


def _of_requirement(requirement: Requirement) -> _Wish:
    extras = tuple(normalised(each) for each in sorted(requirement.extras))
    marker = str(requirement.marker) if requirement.marker else None
    return _Wish(normalised(requirement.name), str(requirement.specifier) or "*", marker, extras)


def _wishes(told: Mapping[str, Any], table: Table) -> Iterator[_Wish]:
    """What a table of dependencies asks for: a version, a table, or a list of these."""
    for name, value in told.items():
        for each in value if isinstance(value, list) else [value]:
            wish = {"version": each} if isinstance(each, str) else each
            if not isinstance(wish, dict):
                raise table.bad(f"what it says of {name[:80]} is neither a version nor a table")
            extras = wish.get("extras", [])
            markers = wish.get("markers")
            python = wish.get("python")
            marker = markers if isinstance(markers, str) else None
            if isinstance(python, str):
                marker = _both(marker, _python_marker(python))
            yield _Wish(
                normalised(name),
                str(wish.get("version", "*")),
                marker,
                tuple(normalised(str(extra)) for extra in extras if isinstance(extras, list)),
                wish.get("optional") is True,
            )


def _both(marker: str | None, other: str | None) -> str | None:
    return f"({marker}) and ({other})" if marker and other else marker or other


def _python_marker(python: str) -> str | None:
    """A dependency's own `python`, where it is made of comparisons alone."""
    parts = [each.strip() for each in python.split(",")]
    if any(each[:1] not in "<>=!" for each in parts):
        return None
    return " and ".join(
        f"python_full_version {each.rstrip('0123456789.').strip()} '{each.lstrip('<>=!~ ')}'"
        for each in parts
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _python(package: Table) -> str:
    return package.maybe("python-versions") or "*"


def _markers(package: Table) -> tuple[str | None, ...]:
    """By its groups, any of which will do; since version 2.1."""
    found = package.values.get("markers")
    if isinstance(found, dict):
        return tuple(each for each in found.values() if isinstance(each, str)) or (None,)
    return (found if isinstance(found, str) else None,)


def _extra(package: Table, extra: str) -> tuple[str, ...]:
    for name, listed in package.within("extras").values.items():
        if normalised(name) == extra and isinstance(listed, list):
            return tuple(str(each) for each in listed)
    return ()


def _is_own(package: Table) -> bool:
    """Whether it is a folder of the repository. Raises BadLock for one outside, and for a kind not known."""
    source = package.within("source")
    name, kind = package.text("name"), source.maybe("type")
    if kind == "directory":
        refuse_outside(package, name, source.maybe("url") or "")
    elif kind not in (None, "file", "git", "legacy", "url"):
        raise package.bad(f"{name} is of a kind of source that is not followed: {str(kind)[:80]!r}")
    return kind == "directory"


def _inside(lock: _Lock, at: int) -> Inside | None:
    """A file of the repository itself; None: it is none. Raises BadLock for one outside of it."""
    package = lock.packages[at]
    source = package.within("source")
    if source.maybe("type") != "file":
        return None
    path, name = source.maybe("url") or "", lock.names[at]
    told = next(iter(_listed(lock, at)), package)
    digest = digest_of(told.values.get("hash"), lock.file.place, package.line, f"{path} of {name}")
    return own_file(package, name, path, digest)


def _listed(lock: _Lock, at: int) -> tuple[Table, ...]:
    """A package's files."""
    listed = lock.packages[at].listed("files")
    if listed:
        return listed
    below = lock.file.table("metadata").within("files")  # before version 2
    name = lock.names[at]
    return below.listed(next((each for each in below.values if normalised(each) == name), name))


def _pinned(lock: _Lock, at: int, needs: Iterable[int], direct: bool, shipped: bool) -> Pinned:
    package = lock.packages[at]
    name, version, source = lock.names[at], package.text("version"), package.within("source")
    url = source.maybe("url")
    tree, part = None, None
    if source.maybe("type") == "git":
        part = part_of(package, name, source.values.get("subdirectory"))
        tree, url = tree_of(package, name, url or "", source.maybe("resolved_reference")), None
    if url is not None:
        refuse_subdirectory(source.values.get("subdirectory"), lock.file.place, package.line)
        url = checked_url(url, lock.file.place, package.line)
    registry = registry_of(url) if source.maybe("type") == "legacy" else url or PYPI
    of_url = url if source.maybe("type") == "url" else None
    keys = {
        f"{lock.names[to]}@{lock.packages[to].text('version')}"
        for to in needs
        if lock.packages[to].within("source").values.get("type") != "directory"
    }
    return Pinned(
        name,
        version,
        package.line,
        tuple(_file(each, name, package, of_url) for each in _listed(lock, at)),
        registry,
        direct=direct,
        shipped=shipped,
        needs=tuple(sorted(keys)),
        tree=tree,
        part=part,
    )


def _file(table: Table, name: str, package: Table, url: str | None) -> File:
    file = table.maybe("file") or (name_in(url) if url else "")
    digest = digest_of(table.values.get("hash"), table.file.place, package.line, f"{file} of {name}")
    # an index of one's own has its files where only that index says: the user's pip has to know it
    return File(file, digest, (url,) if url else urls_of(name, file, PYPI, None))
