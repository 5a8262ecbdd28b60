"""Lock files, read out of the sources that they are in: from a commit, or from what was fetched."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from orchestrator.dependencies import formats
from orchestrator.dependencies.dependency import BadLock, CommitTree, Ecosystem, Locked
from orchestrator.dependencies.python.asked import Asked
from orchestrator.dependencies.tree import Tree
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.pinning.depended import Dependencies, described
from orchestrator.pinning.pythons import asked_of, key_of
from orchestrator.pinning.request import outside_source
from orchestrator.recipe.dependencies_table import DependenciesPart
from orchestrator.recipe.lock import Lock
from orchestrator.recipe.recipe import PathSource, Recipe
from orchestrator.recipe.wanted import wanted_from
from orchestrator.repositories import git
from orchestrator.sources.folder import Sources
from orchestrator.sources.pathsource import PathPins, path_pins
from orchestrator.sources.sourcetree import archive, folder, of_path

_PINNING: Final = (".txt", "go.sum")
"""How files end that pin, and that another one of a project names: `-r base.txt`, go.sum beside go.mod."""
_WHICH: Final = "one name and version is one package: find out which of the two is meant"


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
        if recipe.dependencies:
            files = _files_of(recipe, lock, paths, repository, sources)
            found[name] = [file.described(system, lock) for file in files]
            refuse_two_of_one(name, found[name])
    return found


def named_by(
    recipes: Mapping[str, Recipe], lock: Lock, folder: Path, sources: Sources
) -> tuple[LockFile, ...]:
    """Each lock file that a recipe names, by the recipes' names.

    `folder` is one of the repository of path sources. Raises TallyError.
    """
    asking = {name: recipe for name, recipe in sorted(recipes.items()) if recipe.dependencies}
    paths = path_pins(folder, asking, allow_dirty=True) if asking else {}
    return tuple(
        file for recipe in asking.values() for file in _files_of(recipe, lock, paths, folder, lambda: sources)
    )


def _files_of(
    recipe: Recipe, lock: Lock, paths: PathPins, repository: Path, sources: Callable[[], Sources]
) -> Iterator[LockFile]:
    """Those that a recipe names, in its order. Raises TallyError."""
    for part in recipe.dependencies:
        tree = tree_of(recipe, recipe.source_of(part) or "", lock, paths, repository, sources)
        yield LockFile(recipe, part, tree, repository)


def refuse_two_of_one(recipe: str, locks: Sequence[Mapping[str, Any]]) -> None:
    """Raises TallyError where two lock files of a recipe pin one file of one package by different digests."""
    for lock, each, before, known in _alike(locks, ("called", "version", "file")):
        both = [name for name in ("sha256", "sha512") if name in known and name in each]
        if before is not lock and any(known[name] != each[name] for name in both):
            raise TallyError(
                f"recipe {recipe}: {each['called']} {each['version']} has other bytes in {lock['lock']}, "
                f"line {each['line']}, than in {before['lock']}, line {known['line']}",
                hint=_WHICH,
            )
    _refuse_tree_and_other(recipe, [lock for lock in locks if lock["kind"] == Ecosystem.PYTHON])


def _refuse_tree_and_other(recipe: str, locks: Sequence[Mapping[str, Any]]) -> None:
    """Raises TallyError where one has a package out of a repository, and another has it from elsewhere.

    Both would be in the folder that pip looks in, which takes either.
    """
    for lock, each, before, known in _alike(locks, ("called", "version")):
        if any(known.get(key) != each.get(key) for key in ("rev", "part")):
            raise TallyError(
                f"recipe {recipe}: {each['called']} {each['version']} is from elsewhere in "
                f"{lock['lock']}, line {each['line']}, than in {before['lock']}, line {known['line']}",
                hint=_WHICH,
            )


def _alike(
    locks: Iterable[Mapping[str, Any]], keys: Sequence[str]
) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]]]:
    """Each package after the first of its kind and keys, behind its lock; then the first, behind its lock."""
    first: dict[tuple[str, ...], tuple[Mapping[str, Any], Mapping[str, Any]]] = {}
    for lock in locks:
        for each in lock["packages"]:
            before, known = first.setdefault((lock["kind"], *(each[key] for key in keys)), (lock, each))
            if known is not each:
                yield lock, each, before, known


class LockFile:
    """A lock file that a recipe names, and the source that it is in. What is read of it is read once."""

    def __init__(self, recipe: Recipe, part: DependenciesPart, tree: Tree, repository: Path) -> None:
        """`repository` is a folder of the one that path sources are in."""
        self.recipe, self.part = recipe, part
        self.source = recipe.source_of(part) or ""
        self.tree = Remembering(tree)
        self._repository = repository
        self._locked: dict[str, tuple[Asked | None, Locked]] = {}
        """By system, with what was asked then."""

    @property
    def place(self) -> str:
        """What messages call it."""
        return f"{self.part.lock} in the source {self.source} of {self.recipe.name}"

    @property
    def key(self) -> str:
        """Under which `tally.lock` has what it does not say."""
        return key_of(self.recipe, self.part)

    def told(self, lock: Lock) -> Mapping[str, str]:
        """What `tally.lock` has of what it does not say."""
        return lock.told.get(self.recipe.name, {}).get(self.key, {})

    def asked(self, system: str, lock: Lock) -> Asked | None:
        """What a build asks of it, if it is a Python project's. Raises TallyError."""
        if self.part.ecosystem is not Ecosystem.PYTHON:
            return None
        return asked_of(self.recipe, self.part, lock, system)

    def locked(self, system: str, asked: Asked | None) -> Locked:
        """What it pins for one system. Raises TallyError."""
        known = self._locked.get(system)
        if known is not None and known[0] == asked:
            return known[1]
        part = self.part
        found = formats.read(part.ecosystem, self.tree, part.lock, self.place, system, asked, part.member)
        own = self.recipe.named_sources[self.source]
        _refuse_others(found, self.place, self._repository if isinstance(own, PathSource) else None)
        _compare(found, self.tree, self.part.lock, self.place)
        self._locked[system] = asked, found
        return found

    def described(self, system: str, lock: Lock) -> Mapping[str, Any]:
        """Its part of a request. Raises TallyError."""
        locked = self.locked(system, self.asked(system, lock))
        return described(
            locked,
            lock=self.part.lock,
            source=self.source,
            sha256=self.tree.digest(self.part.lock),
            place=self.place,
            told=self.told(lock),
        )


def _compare(locked: Locked, tree: Tree, lock: str, place: str) -> None:
    """Raises BadLock where a file of the source is another one than the lock has the digest of."""
    for each in locked.inside:
        if each.path is None or each.digest is None:
            continue
        data = tree.read(posixpath.normpath(posixpath.join(posixpath.dirname(lock), each.path)))
        algorithm = "sha256" if isinstance(each.digest, Sha256) else each.digest.algorithm
        if data is None:
            problem = "which has no such file"
        elif hashlib.new(algorithm, data).hexdigest() != each.digest.hex:
            problem = f"which has another {algorithm}"
        else:
            continue
        said = f"{each.name} is the file {each.path[:200]} of the source, {problem}"
        raise BadLock(place, each.line, said, hint="have the lock written again")


def _refuse_others(locked: Locked, place: str, repository: Path | None) -> None:
    """Raises BadLock for a repository of this machine that is not within the source's own, if it has one.

    Who writes a lock file would else choose what is read of all that the user can read.
    """
    for each in locked.dependencies:
        if not isinstance(each.digest, CommitTree) or urlsplit(each.digest.address).scheme != "file":
            continue
        parts = urlsplit(each.digest.address)
        try:
            top = None if repository is None else git.head(repository)[0].resolve()
            within = (
                top is not None
                and not parts.netloc
                and Path(unquote(parts.path)).resolve().is_relative_to(top)
            )
        except (TallyError, OSError, ValueError):
            within = False
        if not within:
            raise BadLock(
                place,
                each.line,
                f"{each.name} is from a repository of this machine, outside of the source's: "
                f"{each.digest.address[:200]}",
                hint="have the lock name it where others can fetch it, too: https:// or ssh://",
            )


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
        self._named: dict[str, Mapping[str, bytes]] = {}

    def read(self, path: str) -> bytes | None:
        if path not in self._read:
            self._read[path] = self._tree.read(path)
        return self._read[path]

    def digest(self, lock: str) -> str:
        """The sha256 of a lock file; where it names others that pin, of the digests of all of these."""
        pinning = {
            path: hashlib.sha256(data).hexdigest()
            for path, data in sorted(self._read.items())
            if data is not None and (path == lock or path.endswith(_PINNING))
        }
        if len(pinning) == 1:
            return pinning[lock]
        lines = "".join(f"{sha256}  {path}\n" for path, sha256 in pinning.items())
        return hashlib.sha256(lines.encode()).hexdigest()

    def named(self, name: str) -> Mapping[str, bytes]:
        if name not in self._named:
            self._named[name] = self._tree.named(name)
        return self._named[name]
