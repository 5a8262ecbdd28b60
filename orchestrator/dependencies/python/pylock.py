"""pylock.toml and pylock.NAME.toml, by `packaging`'s own reader. Pure.

Specification: https://packaging.python.org/specifications/pylock-toml/ (PEP 751).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from orchestrator.dependencies import tomlfile
from orchestrator.dependencies.dependency import CommitTree, Inside, Locked
from orchestrator.dependencies.python.asked import Asked
from orchestrator.dependencies.python.files import (
    File,
    Pinned,
    checked_url,
    digest_of,
    locked,
    refuse_subdirectory,
    registry_of,
    urls_of,
)
from orchestrator.dependencies.python.interpreter import environment, ranks
from orchestrator.dependencies.python.manifest import Manifest, normalised
from orchestrator.dependencies.python.own import own_file, part_of, refuse_outside, tree_of
from orchestrator.dependencies.tomlfile import Table, TomlFile
from orchestrator.ground.wording import some

if TYPE_CHECKING:
    from packaging.pylock import Package, Pylock

_AGAIN: Final = "have what wrote it write it again"
_AT: Final = re.compile(r"packages\[(\d+)\]")
_OWN: Final = ".", "./"


def read(data: bytes, place: str, asked: Asked, manifest: Manifest | None = None) -> Locked:
    """What of a lock a Python takes. Raises BadLock."""
    from packaging.pylock import Pylock, PylockSelectError, PylockValidationError

    file = tomlfile.read(data, place, _AGAIN)
    tables = file.tables("packages")
    _version(file)
    try:
        lock = Pylock.from_dict(file.values)
    except PylockValidationError as error:
        raise file.bad(_line(str(error), tables), str(error)) from error
    _known(file, lock, asked)
    try:
        every = _selected(lock, asked, (*(lock.default_groups or ()), *asked.groups))
        shipped = _selected(lock, asked, lock.default_groups or ())
    except PylockSelectError as error:
        hint = "use a toolchain whose Python fits, or lock for it, too"
        line = _line(str(error), tables) or file.line_of("requires-python")
        raise file.bad(line, str(error), hint) from error
    at = {id(package): table for package, table in zip(lock.packages, tables, strict=True)}
    names: dict[str, Package] = {package.name: package for package, _ in every}
    direct = _direct(every, manifest)
    gone = {package.name for package, _ in shipped}
    found: list[Pinned] = []
    inside: list[Inside] = []
    for package, source in every:
        table = at[id(package)]
        tree = _tree(package, source, table)
        chosen = _file(package, source, table) if tree is None else None
        if isinstance(chosen, Inside):
            inside.append(chosen)
        if isinstance(chosen, Inside) or (chosen is None and tree is None):
            continue
        version = str(package.version) if package.version else _told(table, chosen)
        if chosen is None:
            registry = tree.address if tree is not None else ""
        else:
            registry = registry_of(package.index) if source is not package.archive else chosen.urls[-1]
        found.append(
            Pinned(
                package.name,
                version,
                table.line,
                (chosen,) if chosen is not None else (),
                registry,
                direct=package.name in direct,
                shipped=package.name in gone,
                needs=_needs(package, names),
                tree=tree,
                part=part_of(table, package.name, package.vcs.subdirectory)
                if tree is not None and package.vcs is not None
                else None,
            )
        )
    return locked(found, inside, asked.interpreter, place, _AGAIN)


Selected = list[tuple["Package", Any]]


def _selected(lock: Pylock, asked: Asked, groups: Iterable[str]) -> Selected:
    best_first = sorted(ranks(asked.interpreter), key=ranks(asked.interpreter).__getitem__)
    where: Any = environment(asked.interpreter)
    return list(
        lock.select(environment=where, tags=best_first, extras=asked.extras, dependency_groups=list(groups))
    )


def _version(file: TomlFile) -> None:
    version = file.values.get("lock-version")
    if version != "1.0":
        problem = f"it is of version {str(version)[:20]}, and version 1.0 is read"
        raise file.bad(file.line_of("lock-version"), problem)


def _known(file: TomlFile, lock: Pylock, asked: Asked) -> None:
    for what, key, wanted, known in (
        ("extra", "extras", asked.extras, lock.extras),
        ("group", "dependency-groups", asked.groups, lock.dependency_groups),
    ):
        for each in wanted:
            if each not in (known or ()):
                hint = f"it has: {some(sorted(known or ()))}"
                raise file.bad(file.line_of(key), f"it has no {what} {each}", hint)


def _line(said: str, tables: tuple[Table, ...]) -> int | None:
    found = _AT.search(said)
    return tables[int(found[1])].line if found and int(found[1]) < len(tables) else None


def _file(package: Package, source: Any, table: Table) -> File | Inside | None:
    """What was selected of a package, maybe of the source's; None for the project itself. Raises BadLock."""
    if package.directory is not None and source is package.directory:
        path = package.directory.path
        if path in _OWN:
            return None
        refuse_outside(table, package.name, path)
        raise table.bad(f"{package.name} is a folder: {path}", "install it in the script, from the source")
    hashes = {str(key).lower(): value for key, value in source.hashes.items()}
    strongest = next((key for key in ("sha256", "sha512") if key in hashes), next(iter(hashes), ""))
    if source.url is None:
        told = f"{strongest}:{hashes[strongest]}"
        digest = digest_of(told, table.file.place, table.line, f"{source.path} of {package.name}")
        return own_file(table, package.name, source.path, digest)
    address = checked_url(source.url, table.file.place, table.line)
    name = address.rpartition("/")[2] if source is package.archive else source.filename
    digest = digest_of(f"{strongest}:{hashes[strongest]}", table.file.place, table.line, f"{name}")
    if package.archive is not None and source is package.archive:
        refuse_subdirectory(package.archive.subdirectory, table.file.place, table.line)
        return File(name, digest, (address,))
    return File(name, digest, urls_of(package.name, name, registry_of(package.index), address))


def _tree(package: Package, source: Any, table: Table) -> CommitTree | None:
    """What is out of a repository. Raises BadLock for another than git's, or one that is not followed."""
    if package.vcs is None or source is not package.vcs:
        return None
    if package.vcs.type != "git":
        raise table.bad(f"{package.name} comes from a repository that is not git's", "lock a release of it")
    return tree_of(table, package.name, package.vcs.url or "", package.vcs.commit_id)


def _told(table: Table, file: File | None) -> str:
    """The version in the file's name, of a package whose entry has none."""
    from packaging.utils import (
        InvalidSdistFilename,
        InvalidWheelFilename,
        parse_sdist_filename,
        parse_wheel_filename,
    )

    if file is None:
        raise table.bad("it has no version, by which pip would find it", "lock it with its version")
    try:
        if file.name.endswith(".whl"):
            return str(parse_wheel_filename(file.name)[1])
        return str(parse_sdist_filename(file.name)[1])
    except (InvalidSdistFilename, InvalidWheelFilename) as error:
        raise table.bad(f"it has no version, and {file.name[:80]!r} tells none") from error


def _direct(every: Selected, manifest: Manifest | None) -> frozenset[str]:
    """Those that pyproject.toml asks for; without it, those that no other needs."""
    if manifest is not None and manifest.project and not manifest.is_dynamic:
        wanted = [*manifest.main(), *(each for of in manifest.extras().values() for each in of)]
        wanted += [each for group in manifest.groups() for each in manifest.group(group)]
        return frozenset(normalised(each.name) for each in wanted)
    needed = {str(each.get("name")) for package, _ in every for each in package.dependencies or ()}
    return frozenset(package.name for package, _ in every if package.name not in needed)


def _needs(package: Package, names: Mapping[str, Package]) -> tuple[str, ...]:
    found = set()
    for each in package.dependencies or ():
        other = names.get(str(each.get("name")))
        if other is not None and other is not package and not other.directory:
            found.add(f"{other.name}@{other.version}")
    return tuple(sorted(found))
