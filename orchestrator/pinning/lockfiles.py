"""Lock files, read out of the sources that they are in: from a commit, or from what was fetched."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from orchestrator.dependencies import formats
from orchestrator.dependencies.dependency import Ecosystem, Locked
from orchestrator.dependencies.tree import Tree
from orchestrator.ground.errors import TallyError
from orchestrator.pinning.depended import Dependencies, described
from orchestrator.pinning.pythons import asked_of, key_of
from orchestrator.pinning.request import outside_source
from orchestrator.recipe.dependencies_table import DependenciesPart
from orchestrator.recipe.lock import Lock
from orchestrator.recipe.recipe import PathSource, Recipe
from orchestrator.recipe.wanted import wanted_from
from orchestrator.sources.folder import Sources
from orchestrator.sources.pathsource import PathPins, path_pins
from orchestrator.sources.sourcetree import archive, folder, of_path

_PINNING: Final = (".txt", "go.sum")
"""How files end that pin, and that another one of a project names: `-r base.txt`, go.sum beside go.mod."""


def dependencies_for(
    recipes: Mapping[str, Recipe],
    lock: Lock,
    system: str,
    paths: PathPins,
    repository: Path,
    sources: Callable[[], Sources],
) -> Dependencies:
    """What the lock files of these recipes say for one system, as a request has it.

    `repository` is a folder of the repository of path sources; `sources` gives those from outside, and is
    asked where a lock file is in one. Raises TallyError for a lock file that cannot be followed.
    """
    found: dict[str, list[Mapping[str, Any]]] = {}
    for name, recipe in sorted(recipes.items()):
        for part in recipe.dependencies:
            source = recipe.source_of(part) or ""
            tree = tree_of(recipe, source, lock, paths, repository, sources)
            found.setdefault(name, []).append(read(recipe, part, tree, system, lock))
        refuse_two_of_one(name, found.get(name, ()))
    return found


def named_by(
    recipes: Mapping[str, Recipe], lock: Lock, folder: Path, sources: Sources
) -> Iterator[tuple[Recipe, DependenciesPart, Tree]]:
    """Each lock file that a recipe names, by the recipes' names, with the source that it is in.

    `folder` is one of the repository of path sources. Raises TallyError.
    """
    asking = {name: recipe for name, recipe in sorted(recipes.items()) if recipe.dependencies}
    paths = path_pins(folder, asking, allow_dirty=True) if asking else {}
    for recipe in asking.values():
        for part in recipe.dependencies:
            source = recipe.source_of(part) or ""
            yield recipe, part, tree_of(recipe, source, lock, paths, folder, lambda: sources)


def refuse_two_of_one(recipe: str, locks: Sequence[Mapping[str, Any]]) -> None:
    """Raises TallyError where two lock files of a recipe pin one file of one package by different digests."""
    first: dict[tuple[str, str, str, str], tuple[Mapping[str, Any], Mapping[str, Any]]] = {}
    for lock in locks:
        for each in lock["packages"]:
            key = lock["kind"], each["called"], each["version"], each["file"]
            before, known = first.setdefault(key, (lock, each))
            both = [name for name in ("sha256", "sha512") if name in known and name in each]
            if before is not lock and any(known[name] != each[name] for name in both):
                raise TallyError(
                    f"recipe {recipe}: {each['called']} {each['version']} has other bytes in {lock['lock']}, "
                    f"line {each['line']}, than in {before['lock']}, line {known['line']}",
                    hint="one name and version is one package: find out which of the two is meant",
                )


def read(recipe: Recipe, part: DependenciesPart, tree: Tree, system: str, lock: Lock) -> Mapping[str, Any]:
    """One lock file's part of a request. Raises TallyError."""
    place = place_of(recipe, part)
    remembering = Remembering(tree)
    python = asked_of(recipe, part, lock, system) if part.ecosystem is Ecosystem.PYTHON else None
    locked: Locked = formats.read(part.ecosystem, remembering, part.lock, place, system, python)
    return described(
        locked,
        lock=part.lock,
        source=recipe.source_of(part) or "",
        sha256=remembering.digest(part.lock),
        place=place,
        told=lock.told.get(recipe.name, {}).get(key_of(recipe, part), {}),
    )


def place_of(recipe: Recipe, part: DependenciesPart) -> str:
    """What messages call a lock file."""
    return f"{part.lock} in the source {recipe.source_of(part)} of {recipe.name}"


def tree_of(
    recipe: Recipe,
    name: str,
    lock: Lock,
    paths: PathPins,
    repository: Path,
    sources: Callable[[], Sources],
) -> Tree:
    """The files of one source of a recipe. Raises TallyError, also where the lock does not pin it."""
    source = recipe.named_sources[name]
    if isinstance(source, PathSource):
        pin = paths.get((recipe.name, name))
        if pin is None:
            raise TallyError(f"recipe {recipe.name}: the state of its path source {name} was not looked up")
        return of_path(repository, pin.url)
    pinned = lock.source.get(recipe.name, {}).get(name)
    if pinned is None:
        raise TallyError(
            f"tally.lock does not fit the recipe {recipe.name}: source {name} is not in it",
            hint="run `tally lock`",
        )
    value = outside_source(source, pinned)
    place = sources().fetch(wanted_from(value))
    if place.is_dir():
        return folder(place)
    if not value["unpack"]:
        raise TallyError(
            f"recipe {recipe.name}: the source {name} is kept as a file, so no lock file is in it",
            hint="name another source, or unpack it",
        )
    return archive(place)


class Remembering:
    """A tree each of whose files is read once."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._read: dict[str, bytes | None] = {}

    def read(self, path: str) -> bytes | None:
        if path not in self._read:
            self._read[path] = self._tree.read(path)
        return self._read[path]

    def digest(self, lock: str) -> str:
        """The sha256 of a lock file; where it names others that pin, of the digests of all of these."""
        found = {
            path: hashlib.sha256(data).hexdigest() for path, data in self._read.items() if data is not None
        }
        pinning = {path: found[path] for path in sorted(found) if path == lock or path.endswith(_PINNING)}
        if len(pinning) == 1:
            return pinning[lock]
        lines = "".join(f"{sha256}  {path}\n" for path, sha256 in pinning.items())
        return hashlib.sha256(lines.encode()).hexdigest()

    def named(self, name: str) -> Mapping[str, bytes]:
        return self._tree.named(name)
