"""How much of a git source is read before its digest is known. Pure.

Whoever serves a repository can make a small one that never ends: a tree in a tree in a tree. A bound is far
above what real sources have; Linux 6.12 has some 90,000 files of 1.5 GiB, at most 12 folders deep.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from orchestrator.ground.errors import TallyError

LONGEST_NAME = 255
"""Bytes of one name, as Linux's file systems take it (NAME_MAX)."""
LONGEST_PATH = 4095
"""Bytes of a path, or of a symbolic link's target, without the NUL behind it (PATH_MAX)."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most that one source may have, with its submodules."""

    entries: int = 1_000_000
    """Files, links and folders."""
    total: int = 32 << 30
    """Bytes of all files."""
    file: int = 8 << 30
    """Bytes of one file."""
    depth: int = 256
    """Folders in folders."""
    levels: int = 10
    """Submodules of submodules."""
    submodules: int = 1000
    seconds: float = 4 * 3600
    """Until the last submodule is begun."""


class Budget:
    """What one source has used so far. Each method raises TallyError naming the source and the bound."""

    def __init__(self, source: str = "the repository", bounds: Bounds | None = None) -> None:
        self.source = source
        self.bounds = bounds or Bounds()
        self._entries = self._total = self._submodules = 0
        self._until = time.monotonic() + self.bounds.seconds

    def folder(self, depth: int, entries: int) -> None:
        """A folder so many folders deep, with so many entries."""
        self._entries += entries
        if self._entries > self.bounds.entries:
            raise self._over(f"more than {self.bounds.entries:,} files and folders")
        if depth > self.bounds.depth:
            raise self._over(f"folders in folders, more than {self.bounds.depth:,} deep")

    def file(self, path: bytes, size: int) -> None:
        """A file of so many bytes."""
        if size > self.bounds.file:
            raise self._over(f"a file of {size:,} bytes, {_name(path)}: more than {self.bounds.file:,}")
        self._total += size
        if self._total > self.bounds.total:
            raise self._over(f"more than {self.bounds.total:,} bytes in its files")

    def submodule(self, level: int) -> None:
        """One more submodule, so many levels below the source's own tree (its own submodules: 1)."""
        self._submodules += 1
        if level > self.bounds.levels:
            raise self._over(f"submodules in submodules, more than {self.bounds.levels} deep")
        if self._submodules > self.bounds.submodules:
            raise self._over(f"more than {self.bounds.submodules:,} submodules")
        if time.monotonic() > self._until:
            raise self._over(f"submodules that take more than {self.bounds.seconds:,.0f} s to fetch")

    def _over(self, what: str) -> TallyError:
        return TallyError(
            f"{self.source} has {what}, and no more is read of one source",
            hint="see whether that is the repository and the commit you mean",
        )


def check_path(path: bytes) -> None:
    """Raises TallyError for a path of a tree that no file system of Linux can have."""
    name = path.rpartition(b"/")[2]
    if len(name) > LONGEST_NAME:
        raise TallyError(
            f"the tree has a name of {len(name):,} bytes, {_name(name)}: "
            f"a file system takes {LONGEST_NAME} at most"
        )
    if len(path) > LONGEST_PATH:
        raise TallyError(
            f"the tree has a path of {len(path):,} bytes, {_name(path)}: Linux takes {LONGEST_PATH:,} at most"
        )


def check_link(path: bytes, size: int, target: bytes = b"") -> None:
    """Raises TallyError for a symbolic link whose target (of `size` bytes) no file system can have."""
    if not size:
        raise TallyError(f"the symbolic link {_name(path)} leads nowhere: its target is empty")
    if size > LONGEST_PATH:
        raise TallyError(
            f"the target of the symbolic link {_name(path)} has {size:,} bytes: "
            f"Linux takes {LONGEST_PATH:,} at most"
        )
    if b"\0" in target:
        raise TallyError(f"the target of the symbolic link {_name(path)} has a NUL in it, which no path has")


def _name(path: bytes) -> str:
    text = os.fsdecode(path)
    return repr(text if len(text) <= 80 else f"{text[:40]}…{text[-39:]}")
