"""uv.lock, version 1 and all of its revisions. Pure.

Format: https://docs.astral.sh/uv/concepts/projects/layout/#the-lockfile; uv's `crates/uv-resolver/src/lock`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl

from orchestrator.dependencies import tomlfile
from orchestrator.dependencies.dependency import Inside, Locked
from orchestrator.dependencies.python.asked import Asked
from orchestrator.dependencies.python.files import (
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
from orchestrator.dependencies.python.interpreter import Interpreter
from orchestrator.dependencies.python.manifest import Manifest, normalised
from orchestrator.dependencies.python.own import own_file, part_of, refuse_outside, tree_of
from orchestrator.dependencies.python.walk import Edge, Reached, fits, holds, places, reached
from orchestrator.dependencies.tomlfile import Table, TomlFile
from orchestrator.ground.values import dataclass
from orchestrator.ground.wording import some

_AGAIN: Final = "have uv write it again: `uv lock`"
_CONFLICT: Final = re.compile(r"extra\s*(==|!=)\s*['\"]((?:extra|group|project)-[0-9]+-[^'\"]+)['\"]")
"""How uv encodes, in markers, what of conflicting extras and groups was chosen."""
_OWN: Final = ("editable", "virtual", "directory")


@dataclass(frozen=True, slots=True)
class _Lock:
    file: TomlFile
    packages: tuple[Table, ...]
    names: tuple[str, ...]
    by_name: Mapping[str, Sequence[int]]
    asked: Asked
    chosen: frozenset[str]
    """What is chosen, as markers of conflicts say it."""

    def true(self, table: Table) -> bool:
        """Whether the edge's marker holds."""
        marker = table.maybe("marker")
        if marker is not None:
            marker = _CONFLICT.sub(self._decided, marker)
        try:
            return holds(marker, self.asked.interpreter)
        except ValueError as error:
            raise table.bad(str(error)) from error

    def _decided(self, found: re.Match[str]) -> str:
        return (
            "python_version >= '0'"
            if (found[2] in self.chosen) == (found[1] == "==")
            else "python_version < '0'"
        )

    def edges(self, listed: Iterable[Table]) -> Iterator[Edge]:
        for each in listed:
            if self.true(each):
                extras = (*each.texts("extra"), *each.texts("extras"))
                yield Edge(self.find(each), tuple(normalised(extra) for extra in extras))

    def find(self, edge: Table) -> int:
        """The package that an edge leads to."""
        name, version, source = edge.text("name"), edge.maybe("version"), edge.values.get("source")
        found = [
            at
            for at in self.by_name.get(name, ())
            if (version is None or self.packages[at].values.get("version") == version)
            and (source is None or self.packages[at].values.get("source") == source)
        ]
        if len(found) > 1:  # forks, which tell their packages apart by the markers of each
            found = [at for at in found if self._in_fork(self.packages[at])] or found
        if len(found) == 1:
            return found[0]
        what = f"{name} {version or ''}".strip()
        said = "has no such package" if not found else "has several such packages"
        raise edge.bad(f"it asks for {what}, and the lock {said}")

    def _in_fork(self, package: Table) -> bool:
        markers = package.texts("resolution-markers")
        try:
            return not markers or any(holds(each, self.asked.interpreter) for each in markers)
        except ValueError as error:
            raise package.bad(str(error)) from error

    def follow(self, at: int, extra: str | None) -> Iterable[Edge]:
        package = self.packages[at]
        if extra is None:
            return self.edges(package.listed("dependencies"))
        return self.edges(_named(package.within("optional-dependencies"), extra) or ())


def read(data: bytes, place: str, asked: Asked, manifest: Manifest | None = None) -> Locked:
    """What of a lock a Python takes. Raises BadLock."""
    file = tomlfile.read(data, place, _AGAIN)
    _check(file, asked)
    packages = file.tables("package")
    names = tuple(package.text("name") for package in packages)
    root = _root(file, packages, asked)
    own = normalised(names[root]) if root is not None else ""
    chosen = frozenset(
        (
            *(f"extra-{len(own)}-{own}-{normalised(extra)}" for extra in asked.extras),
            *(f"group-{len(own)}-{own}-{normalised(group)}" for group in asked.groups),
        )
    )
    lock = _Lock(file, packages, names, places(names), asked, chosen)
    if root is not None and manifest is not None and asked.package is None:
        _same_wishes(packages[root], manifest, asked.interpreter)
    shipped = reached(_main(lock, root), lock.follow)
    every = reached((*_main(lock, root), *_groups(lock, root)), lock.follow)
    outside = [at for at in sorted(every.needs) if not _is_own(packages[at])]
    inside = [kept for at in outside if (kept := _inside(packages[at])) is not None]
    found = (_pinned(lock, at, every, shipped) for at in outside if "path" not in _source(packages[at]))
    return locked(found, inside, asked.interpreter, place, _AGAIN)


def _check(file: TomlFile, asked: Asked) -> None:
    version = file.values.get("version")
    if version != 1 or version is True:
        problem = f"it is of version {str(version)[:20]}, and version 1 is read"
        raise file.bad(file.line_of("version"), problem, "have a uv write it that writes version 1")
    top = Table(file, file.line_of("requires-python") or 1, file.values)
    wanted = top.maybe("requires-python")
    try:
        if not fits(wanted, asked.interpreter):
            raise top.bad(
                f"it requires Python {wanted}, and the toolchain has {asked.interpreter.version}",
                "use a toolchain with such a Python",
            )
        supported = top.texts("supported-markers")
        if supported and not any(holds(each, asked.interpreter) for each in supported):
            raise file.bad(file.line_of("supported-markers"), f"it is not for {asked.interpreter.told}")
    except ValueError as error:
        raise top.bad(str(error)) from error


def _root(file: TomlFile, packages: Sequence[Table], asked: Asked) -> int | None:
    """The project whose dependencies are wanted; None: a script's, which stand in `manifest`."""
    own = {}
    for at, package in enumerate(packages):
        source = package.within("source").values
        place = next((source[key] for key in _OWN if key in source), None)
        if isinstance(place, str):
            own[at] = place
    if asked.package is not None:
        wanted = normalised(asked.package)
        found = [at for at in own if packages[at].text("name") == wanted]
        if not found:
            raise file.bad(None, f"it has no project called {asked.package}", _members(packages, own))
        return found[0]
    tops = [at for at, place in own.items() if place == "."]
    if tops:
        return tops[0]
    if file.table("manifest").listed("requirements"):
        return None
    if len(own) == 1:
        return next(iter(own))
    raise file.bad(None, "no project of it stands at its top", _members(packages, own))


def _members(packages: Sequence[Table], own: Iterable[int]) -> str:
    names = [packages[at].text("name") for at in own]
    return f"say `package = …` in the recipe: {some(names)}"


def _main(lock: _Lock, root: int | None) -> tuple[Edge, ...]:
    if root is None:
        return tuple(lock.edges(lock.file.table("manifest").listed("requirements")))
    package = lock.packages[root]
    found = list(lock.edges(package.listed("dependencies")))
    extras = package.within("optional-dependencies")
    known = {normalised(name) for name in extras.values}
    for extra in lock.asked.extras:
        listed = _named(extras, extra)
        if listed is None:
            raise package.bad(f"{lock.names[root]} has no extra {extra}", f"it has: {some(sorted(known))}")
        found += lock.edges(listed)
    return tuple(found)


def _groups(lock: _Lock, root: int | None) -> Iterator[Edge]:
    top = lock.file.table("manifest") if root is None else lock.packages[root]
    groups = top.within("dependency-groups" if root is None else "dev-dependencies")
    for group in lock.asked.groups:
        listed = _named(groups, group)
        if listed is None:
            raise top.bad(f"it has no group {group}", f"it has: {some(sorted(groups.values))}")
        yield from lock.edges(listed)


def _named(tables: Table, name: str) -> tuple[Table, ...] | None:
    """The list of tables by a name in any spelling."""
    for key in tables.values:
        if normalised(key) == normalised(name):
            return tables.listed(key)
    return None


def _source(package: Table) -> Mapping[str, Any]:
    return package.within("source").values


def _inside(package: Table) -> Inside | None:
    """A file of the repository itself; None: it is none. Raises BadLock for one outside of it."""
    path = package.within("source").maybe("path")
    if path is None:
        return None
    name = package.text("name")
    told = (
        package.within("sdist")
        if "sdist" in package.values
        else next(iter(package.listed("wheels")), package)
    )
    digest = digest_of(told.values.get("hash"), package.file.place, package.line, f"{path} of {name}")
    return own_file(package, name, path, digest)


def _pinned(lock: _Lock, at: int, every: Reached, shipped: Reached) -> Pinned:
    package = lock.packages[at]
    name, source = package.text("name"), package.within("source")
    version = package.text("version")
    index = source.maybe("registry")
    if index is not None and "://" in index:
        index = checked_url(index, lock.file.place, package.line)
    listed = [*package.listed("wheels")]
    if "sdist" in package.values:
        listed.append(package.within("sdist"))
    url, tree = source.maybe("url"), None
    part = None
    if url is not None:
        refuse_subdirectory(source.values.get("subdirectory"), lock.file.place, package.line)
    if (where := source.maybe("git")) is not None:
        repository, _, commit = where.partition("#")
        repository, _, query = repository.partition("?")
        tree = tree_of(package, name, repository, commit)
        told = source.values.get("subdirectory") or dict(parse_qsl(query)).get("subdirectory")
        part = part_of(package, name, told)
    registry = registry_of(index) if url is None else url
    files = tuple(_file(each, normalised(name), registry, url) for each in listed)
    needs = {
        f"{lock.names[to]}@{lock.packages[to].text('version')}"
        for to in every.needs[at]
        if not _is_own(lock.packages[to])
    }
    return Pinned(
        normalised(name),
        version,
        package.line,
        files,
        registry,
        direct=at in every.direct,
        shipped=at in shipped.needs,
        needs=tuple(sorted(needs)),
        tree=tree,
        part=part,
    )


def _is_own(package: Table) -> bool:
    """Whether it is a folder of the repository. Raises BadLock for one outside of it."""
    source = package.within("source")
    own = next((source.maybe(key) for key in _OWN if key in source.values), None)
    if own is not None:
        refuse_outside(package, package.text("name"), own)
    return own is not None


def _file(table: Table, name: str, registry: str, url: str | None) -> File:
    address = table.maybe("url") or url
    place, line = table.file.place, table.line
    if address is None:
        path = table.maybe("path") or table.maybe("filename") or "nothing"
        raise table.bad(f"a file of {name} has no address: {path}", "lock it from an index")
    address = checked_url(address, place, line)
    file = name_in(address)
    digest = digest_of(table.values.get("hash"), place, line, f"{file} of {name}")
    return File(file, digest, urls_of(name, file, registry, address))


def _same_wishes(root: Table, manifest: Manifest, interpreter: Interpreter) -> None:
    """Whether the lock was made for this pyproject.toml, as far as the two can be compared."""
    if manifest.is_dynamic:
        return
    if "requires-dist" not in root.within("metadata").values:
        held = {normalised(each.text("name")) for each in root.listed("dependencies")}
        lacking = sorted(
            {normalised(name) for name in _applying(manifest, interpreter)}
            - held
            - {normalised(root.text("name"))}
        )
        if lacking:
            raise root.bad(
                f"it was made for another pyproject.toml: {manifest.place} asks for {some(lacking)}, which "
                "the lock does not have for it"
            )
        return
    locked: dict[str, set[str]] = {}
    for each in root.within("metadata").listed("requires-dist"):
        bare = any(key in each.values for key in ("git", "url", "path", "directory", "editable"))
        wanted = "*" if bare else _specifier(each.maybe("specifier") or "")
        locked.setdefault(normalised(each.text("name")), set()).add(wanted)
    asked: dict[str, set[str]] = {}
    for requirement in (*manifest.main(), *(each for of in manifest.extras().values() for each in of)):
        asked.setdefault(normalised(requirement.name), set()).add(_specifier(str(requirement.specifier)))
    for name in sorted({*locked, *asked}):
        ours, theirs = asked.get(name, set()), locked.get(name, set())
        if ours != theirs and not (ours and "*" in theirs):
            raise root.bad(
                f"it was made for another pyproject.toml: {manifest.place} asks for "
                f"{_told(name, ours)}, and the lock for {_told(name, theirs)}"
            )


def _applying(manifest: Manifest, interpreter: Interpreter) -> Iterator[str]:
    for each in manifest.main():
        try:
            if holds(str(each.marker) if each.marker else None, interpreter):
                yield each.name
        except ValueError:
            continue  # that of the manifest is told where it is read


def _specifier(text: str) -> str:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return str(SpecifierSet(text))
    except InvalidSpecifier:
        return text


def _told(name: str, specifiers: Iterable[Any]) -> str:
    found = " and ".join(name + each for each in sorted(specifiers))
    return found or f"no {name}"
