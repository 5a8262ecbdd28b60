"""A project's folder as a tree whose files are read when they are asked for, within bounds.

What git ignores is not the project's. Nothing is followed by way of a symbolic link, and nothing is run.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import opened, shown
from orchestrator.projects import cargo, golang, node_managers
from orchestrator.projects.tree import Tree
from orchestrator.repositories.git import NoRepositoryError, git
from orchestrator.repositories.repository import remote

_MOST: Final = 100_000
"""Files whose names are looked at, those of upper folders first."""
_LARGEST: Final = 1 << 20
"""Bytes of a file that are read: what counts stands at its beginning."""
_IN_ALL: Final = 64 << 20
"""Bytes that are read of a project."""
_TOPS: Final = (*node_managers.LOCKS, cargo.FILE, golang.WORK)
"""Files that the top folder of a workspace has."""


@dataclass(frozen=True, slots=True)
class Place:
    """A project's folder in its repository."""

    top: Path
    """The repository's top."""
    committed: bool
    """Whether the repository has a commit."""
    tree: Tree
    left_out: int
    """How many files were not looked at, since there are too many."""

    @property
    def path(self) -> str:
        """The folder, from the repository's top; `.` for that itself."""
        return self.tree.path


def look(folder: Path, begun: Path) -> Place:
    """The project in a folder, whose recipe is written in `begun`.

    Raises TallyError for one that is no folder, or in no repository.
    """
    if not folder.is_dir():
        raise TallyError(
            f"there is no folder {shown(folder)}", hint="name a project's folder, or none for this one"
        )
    here = folder.resolve()
    said = git(here, "rev-parse", "--show-toplevel", missing="").removesuffix("\n")
    if not said:
        raise NoRepositoryError(
            f"{shown(here)} is in no git repository, and what is built is a commit",
            hint="make one with `git init`, then `tally init` again",
        )
    top = Path(said)
    paths = _paths(here)
    committed = git(here, "rev-parse", "--verify", "--quiet", "HEAD", missing="") != ""
    tag = git(here, "describe", "--tags", "--abbrev=0", missing="").strip() if committed else ""
    tree = Tree(
        frozenset(paths[:_MOST]),
        _Reader(here).text,
        here.name,
        _browsed(remote(top)),
        tag or None,
        os.path.relpath(here, top),
        tuple(_above(top, here)),
        os.path.relpath(begun.resolve(), here) if begun.resolve().is_relative_to(here) else None,
    )
    return Place(top, committed, tree, max(0, len(paths) - _MOST))


def _paths(folder: Path) -> list[str]:
    """What git has or would take, those of upper folders first."""
    listed = git(folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", ".")
    return sorted(set(listed.split("\0")) - {""}, key=lambda each: (each.count("/"), each))


def _above(top: Path, here: Path) -> Iterator[Tree]:
    """The folders over this one that can be a workspace's top."""
    for each in here.parents:
        if each.is_relative_to(top) and any(os.path.lexists(each / name) for name in _TOPS):
            paths = frozenset(_paths(each)[:_MOST])
            yield Tree(paths, _Reader(each).text, each.name, path=os.path.relpath(each, top))


def _browsed(address: str | None) -> str | None:
    """An origin's address as a browser takes it."""
    if address is None:
        return None
    parts = urlsplit(address)
    if parts.hostname is None or parts.scheme not in ("git+https", "git+ssh", "git+http"):
        return None
    return f"https://{parts.hostname}{parts.path.removesuffix('.git')}"


class _Reader:
    """Texts of files, each read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._left = _IN_ALL
        self._texts: dict[str, str | None] = {}

    def text(self, path: str) -> str | None:
        if path not in self._texts:
            self._texts[path] = self._read(path)
        return self._texts[path]

    def _read(self, path: str) -> str | None:
        place = self._folder
        try:
            for part in path.split("/"):
                place = place / part
                mode = os.lstat(place).st_mode
                if stat.S_ISLNK(mode):
                    return None
            with opened(place) as stream:
                data = stream.read(min(_LARGEST, self._left))
        except (OSError, ValueError):
            return None
        self._left -= len(data)
        if b"\0" in data[:8192]:
            return None
        return data.decode("utf-8", "replace")
