"""The lock files that a lock was written for: their digests, and what they pin otherwise since.

`tally.lock` repeats nothing of them. What one pinned before is read out of the repository's history.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from orchestrator.dependencies.dependency import Untold
from orchestrator.ground.errors import TallyError
from orchestrator.ground.wording import some
from orchestrator.pinning.lockfiles import LockFile
from orchestrator.pinning.pythons import key_of
from orchestrator.recipe.dependencies_table import DependenciesPart
from orchestrator.recipe.lock import Lock
from orchestrator.recipe.recipe import PathSource, Recipe
from orchestrator.recipe.versions import ordered, same
from orchestrator.repositories import git
from orchestrator.sources.sourcetree import of_path

Followed = dict[str, dict[str, str]]
"""As `Lock.followed`."""
_DEPTH: Final = 200
"""Commits of a lock file's history that are looked through."""
_SHOWN: Final = 20
_TYPES: Final = {"npm": "npm", "cargo": "cargo", "go": "golang", "python": "pypi"}


def followed(files: Iterable[LockFile], lock: Lock) -> Followed:
    """The digest of each lock file, which is read for each system: one that cannot be followed is met here.

    Raises TallyError.
    """
    found: Followed = {}
    for file, parts in _read(files, lock):
        if isinstance(parts, Untold):
            raise parts
        found.setdefault(file.recipe.name, {})[file.key] = parts[0]["sha256"]
    return found


def changed(
    files: Iterable[LockFile], recipes: Mapping[str, Recipe], lock: Lock, folder: Path
) -> Iterator[str]:
    """A sentence for each lock file that is not the one that the lock was written for. Raises TallyError."""
    for file, parts in _read(files, lock):
        name, path = file.recipe.name, file.part.lock
        known = lock.followed.get(name, {}).get(file.key)
        if isinstance(parts, Untold):
            yield f"{name}: {parts.message}"
        elif known is None:
            yield f"{name}: {path} is new to tally.lock"
        elif known != parts[0]["sha256"]:
            yield f"{name}: {path} changed{_told(file, lock, folder, known, parts)}"
    for name in sorted(lock.followed):
        parts_of = recipes[name].dependencies if name in recipes else ()
        for key in sorted(lock.followed[name].keys() - {key_of(recipes[name], each) for each in parts_of}):
            yield f"{name}: {key} is locked, and the recipe names no such lock file"


def _read(
    files: Iterable[LockFile], lock: Lock
) -> Iterator[tuple[LockFile, list[Mapping[str, Any]] | Untold]]:
    """Each lock file with what it pins, for each system of its recipe; or what is yet to be found out."""
    for file in files:
        try:
            yield file, [file.described(system, lock) for system in file.recipe.systems]
        except Untold as error:
            yield file, error


def _told(file: LockFile, lock: Lock, folder: Path, digest: str, parts: Iterable[Mapping[str, Any]]) -> str:
    """What it pins otherwise than the one with the digest, where that is found."""
    recipe, part = file.recipe, file.part
    source = recipe.named_sources[file.source]
    commit = _commit_of(folder, source.path, part.lock, digest) if isinstance(source, PathSource) else None
    if commit is None:
        return ""
    tree = of_path(folder, f"path:{source.path if isinstance(source, PathSource) else ''}@{commit}")
    try:
        old = LockFile(recipe, part, tree, folder)
        before = [old.described(system, lock) for system in recipe.systems]
    except TallyError:
        return ""
    found = list(_moved(part, _versions(before), _versions(parts)))
    return f": {some(found, _SHOWN)}" if found else ""


def _commit_of(folder: Path, path: str, lock: str, digest: str) -> str | None:
    """The latest commit in whose tree the file has the digest."""
    inside = "/".join(each for each in (*path.split("/"), *lock.split("/")) if each not in ("", "."))
    top, _ = git.head(folder)
    said = git.git(top, "log", f"-n{_DEPTH}", "--format=%H", "--", git.pathspec(inside), missing="")
    for commit in said.split():
        data = of_path(top, f"path:.@{commit}").read(inside)
        if data is not None and hashlib.sha256(data).hexdigest() == digest:
            return commit
    return None


def _versions(parts: Iterable[Mapping[str, Any]]) -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for part in parts:
        for each in part["packages"]:
            found.setdefault(each["called"], set()).add(each["version"])
    return {name: frozenset(versions) for name, versions in found.items()}


def _moved(
    part: DependenciesPart, old: Mapping[str, frozenset[str]], new: Mapping[str, frozenset[str]]
) -> Iterator[str]:
    for name in sorted(old.keys() | new.keys()):
        gone, come = (
            one.get(name, frozenset()) - two.get(name, frozenset()) for one, two in ((old, new), (new, old))
        )
        match sorted(gone), sorted(come):
            case [], []:
                continue
            case [before], [after]:
                yield f"{_way(_TYPES[part.ecosystem], before, after)} {name} {before} -> {after}"
            case before, after:
                yield from (f"out {name} {each}" for each in before)
                yield from (f"in {name} {each}" for each in after)


def _way(kind: str, old: str, new: str) -> str:
    try:
        one, other = ordered(kind, old), ordered(kind, new)
        return "again" if same(one, other) else "up" if one < other else "down"
    except (ValueError, TypeError):
        return "from"
