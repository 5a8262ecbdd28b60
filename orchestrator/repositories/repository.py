"""The git repository that holds recipe and lock: its commit, its remote, and what is not as committed."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.ground.errors import TallyError
from orchestrator.repositories.git import INSTALL, git, head
from orchestrator.repositories.gitobjects import Objects
from orchestrator.repositories.revision import Revision, address_of

_ORIGIN = "origin"


COMMIT = "commit what is built, recipes and lock among it"
"""The usual way out where a commit is required."""


@dataclass(frozen=True, slots=True)
class Unversioned:
    """There is no commit to name."""

    why: str
    """A sentence's second half: `… names no commit, since WHY`."""
    way_out: str = COMMIT
    """What helps where a commit is required."""


@dataclass(frozen=True, slots=True)
class Repository:
    """The repository of the recipes, as it was when they were read."""

    commit: str
    address: str | None
    paths: Mapping[Path, str]
    """Each file that was asked about to its path in the repository, or its name where it is outside."""
    outside: frozenset[Path]
    uncommitted: frozenset[Path]
    """Files whose bytes the commit does not have at that path."""
    absent: frozenset[Path]
    """Of these, those of whose path it has nothing."""

    def revision(self, recipe: Path, files: Iterable[Path]) -> Revision:
        """What the commit is to one recipe that is made from these files."""
        changed = tuple(sorted({self.paths[file] for file in files if file in self.uncommitted}))
        place = None if recipe in self.outside else self.paths[recipe]
        absent = frozenset(self.paths[file] for file in self.absent)
        return Revision(self.commit, self.address, place, changed, absent.intersection(changed))


def repository_of(folder: Path, files: Mapping[Path, bytes]) -> Repository | Unversioned:
    """The repository that a folder is in, and whether it has these files with these bytes.

    Bytes are compared, and not what git thinks of a file: no filter, attribute or index of the machine's can
    make a file that differs from its commit seem to be the same.
    """
    if shutil.which("git") is None:
        return Unversioned("git is not installed", INSTALL)
    try:
        top, commit = head(folder)
        resolved = {file: file.resolve() for file in files}
        inside = {file: path.relative_to(top) for file, path in resolved.items() if path.is_relative_to(top)}
        blobs = _blobs(top, commit, {str(path) for path in inside.values()})
        address = remote(top)
    except TallyError as error:
        return Unversioned(error.message, error.hint or "see `git fsck`")
    changed = {
        file
        for file, data in files.items()
        if file not in inside or blobs.get(str(inside[file])) != _blob(data, len(commit))
    }
    paths = {file: str(inside[file]) if file in inside else file.name for file in files}
    absent = {file for file in changed if file not in inside or str(inside[file]) not in blobs}
    outside = frozenset(set(files) - set(inside))
    return Repository(commit, address, paths, outside, frozenset(changed), frozenset(absent))


def _blobs(top: Path, commit: str, paths: Iterable[str]) -> Mapping[str, str | None]:
    """Path to the id of the regular file that the commit has there; None: it has something else.

    Raises TallyError for a forged one.
    """
    with Objects(top) as objects:
        tree = objects.tree_of(commit)
        found = {path: objects.at(tree, os.fsencode(path)) for path in paths}
    return {
        path: entry.object if entry.is_file else None for path, entry in found.items() if entry is not None
    }


def _blob(data: bytes, digits: int) -> str:
    """The id that git gives to a file's bytes, in a repository whose ids have so many digits."""
    digest = hashlib.sha256() if digits == 64 else hashlib.sha1(usedforsecurity=False)
    digest.update(b"blob %d\0" % len(data) + data)
    return digest.hexdigest()


def remote(top: Path) -> str | None:
    """The address of the remote `origin`, else of the only remote there is."""
    names = git(top, "remote", missing="").splitlines()
    name = _ORIGIN if _ORIGIN in names else names[0] if len(names) == 1 else None
    if name is None:
        return None
    said = git(top, "remote", "get-url", name, missing="").removesuffix(os.linesep)
    return address_of(said) if said else None
