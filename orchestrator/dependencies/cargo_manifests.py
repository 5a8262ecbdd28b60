"""The Cargo.toml files of a project: what each package of it asks for, and for what. Pure.

Format: https://doc.rust-lang.org/cargo/reference/manifest.html, and "Specifying Dependencies" there.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from orchestrator.dependencies import tomlfile
from orchestrator.dependencies.dependency import BadLock
from orchestrator.ground.values import dataclass

NAME: Final = "Cargo.toml"
_SHIPPED: Final = "dependencies"
_ALSO: Final = ("build-dependencies", "build_dependencies", "dev-dependencies", "dev_dependencies")


@dataclass(frozen=True, slots=True)
class Manifest:
    """One package of the project."""

    place: str
    """Its Cargo.toml's path from the top of the source."""
    name: str
    version: str | None
    """None where the workspace says it."""
    shipped: frozenset[str]
    """Packages whose code its own may hold: its `[dependencies]`."""
    building: frozenset[str]
    """Those for its build script, its tests and examples."""
    outside: BadLock | None
    """What is wrong with a path in it that leads out of the source."""


def manifests(files: Mapping[str, bytes], at: str) -> Mapping[str, tuple[Manifest, ...]]:
    """Packages by name, of which a source may have several: those of tests' and examples' are among them.

    `files` are by their paths from the top of the source, the lock is at `at`. Raises BadLock where there is
    none beside the lock, or nothing that can be read.
    """
    top = posixpath.join(posixpath.dirname(at), NAME)
    if top not in files:
        hint = "a lock belongs beside the Cargo.toml of its workspace: name that one"
        raise BadLock(at, None, f"the source has no {top}", hint=hint)
    shared = _table(_table(_values(files[top], top), "workspace"), _SHIPPED)
    found: dict[str, tuple[Manifest, ...]] = {}
    for place in sorted(files, key=lambda each: (each != top, each.count("/"), each)):
        try:
            values = _values(files[place], place)
        except BadLock:
            if place == top:
                raise
            continue  # no package of this workspace: cargo says so where it is one
        package = _table(values, "package")
        name, version = package.get("name"), package.get("version")
        if isinstance(name, str):
            number = version if isinstance(version, str) else None
            made = Manifest(place, name, number, *_asked(values, shared, place, files[place]))
            found[name] = (*found.get(name, ()), made)
    return found


def _values(data: bytes, place: str) -> Mapping[str, Any]:
    return tomlfile.read(data, place, "mend it, as `cargo check` has it").values


def _asked(
    values: Mapping[str, Any], shared: Mapping[str, Any], place: str, data: bytes
) -> tuple[frozenset[str], frozenset[str], BadLock | None]:
    outside: BadLock | None = None
    shipped: set[str] = set()
    building: set[str] = set()
    for tables in [values, *_tables(_table(values, "target"))]:
        for kind in (_SHIPPED, *_ALSO):
            for key, said in _table(tables, kind).items():
                outside = outside or _outside(said, key, place, data)
                name = _package(key, said, shared)
                (shipped if kind == _SHIPPED else building).add(name)
    return frozenset(shipped), frozenset(building), outside


def _package(key: str, said: Any, shared: Mapping[str, Any]) -> str:
    """The package that a dependency names; its key may be another name for it."""
    if isinstance(said, dict) and said.get("workspace") is True:
        said = shared.get(key)
    name = said.get("package") if isinstance(said, dict) else None
    return name if isinstance(name, str) else key


def _outside(said: Any, key: str, place: str, data: bytes) -> BadLock | None:
    path = said.get("path") if isinstance(said, dict) else None
    if not isinstance(path, str):
        return None
    steps = posixpath.normpath(posixpath.join(posixpath.dirname(place), path))
    if path.startswith("/") or steps == ".." or steps.startswith("../"):
        line = next(
            (at for at, each in enumerate(data.decode().split("\n"), 1) if path in each and "path" in each),
            None,
        )
        hint = "name a folder that is part of the source, or publish it to a registry"
        return BadLock(place, line, f"the path of {key} leads out of the source: {path[:200]}", hint=hint)
    return None


def _tables(values: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from (each for each in values.values() if isinstance(each, dict))


def _table(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = values.get(key)
    return found if isinstance(found, dict) else {}


def line_naming(data: bytes, name: str) -> int | None:
    """The first line that asks for a package, else one that names it, from 1."""
    key = rf"""["']?{re.escape(name)}["']?"""
    lines = data.decode().split("\n")
    for asks in (rf"\s*(\[.*\.\s*)?{key}\s*(\.\w+\s*)?[=\]]", rf".*(?<![\w-]){key}(?![\w-])"):
        for at, line in enumerate(lines, 1):
            if re.match(asks, line):
                return at
    return None
