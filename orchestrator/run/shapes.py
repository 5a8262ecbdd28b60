"""Which store paths hold packages that others published, by their looks."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from enum import Enum, auto
from itertools import islice
from pathlib import Path
from typing import Final

MOST_NAMES: Final = 200_000
"""In a folder, or folders below one, that are looked at."""
_ELF: Final = b"\x7fELF"


class Shape(Enum):
    """What a project's dependencies lie in, as nixpkgs's fetchers and others put them there."""

    CRATES = auto()
    """A folder with crates and Cargo.lock."""
    CRATES_ARCHIVE = auto()
    """The same in a tar archive."""
    NPM_CACHE = auto()
    """npm's cache, with package-lock.json."""
    GO_VENDOR = auto()
    """What `go mod vendor` makes, with modules.txt."""
    GO_PROXY = auto()
    """The files of a Go module proxy."""
    PYTHON = auto()
    """Wheels, or what is installed from them."""


def shape_of(path: Path, name: str) -> Shape | None:
    """The shape of a realised fixed output of this name, whose bytes lie at `path`; None: it has another.

    It looks at the names in a folder and into no file.
    """
    try:
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode):
            return Shape.CRATES_ARCHIVE if name.endswith("-vendor.tar.gz") else None
        names = frozenset(names_in(path)) if stat.S_ISDIR(mode) else frozenset[str]()
    except OSError:
        return None
    if "Cargo.lock" in names and "Cargo.toml" not in names and ("tarballs" in names or ".cargo" in names):
        return Shape.CRATES  # a project's own tree, which has its Cargo.toml, holds no crates
    if "package-lock.json" in names and "_cacache" in names:
        return Shape.NPM_CACHE
    if "modules.txt" in names and all("." in each for each in names):
        return Shape.GO_VENDOR  # beside it are hosts' names alone: github.com, golang.org
    if name.endswith("-go-modules"):
        return Shape.GO_PROXY
    if any(each.endswith((".whl", ".dist-info")) for each in names):
        return Shape.PYTHON
    return None


def names_in(path: Path) -> Iterator[str]:
    """The names in a folder; of a very large one some. Raises OSError."""
    with os.scandir(path) as entries:
        for entry in islice(entries, MOST_NAMES):
            yield entry.name


def elf_files(path: Path) -> Iterator[Path]:
    """The regular files at or below `path` that begin as ELF does, in one order. No link is followed."""
    if path.is_symlink() or not path.is_dir():
        if _is_elf(path):
            yield path
        return
    for folder, folders, names in os.walk(path):
        folders.sort()
        yield from (file for name in sorted(names) if _is_elf(file := Path(folder, name)))


def _is_elf(file: Path) -> bool:
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.read(descriptor, len(_ELF)) == _ELF
    except OSError:
        return False
    finally:
        os.close(descriptor)
