"""Which packages lie installed in an output, by what npm, pip and their like leave beside each.

Folders and zip archives are looked into. No other archive is, and no bundle that packages were compiled to.
"""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from orchestrator.dependencies.dependency import Ecosystem
from orchestrator.ground.zips import ERRORS
from orchestrator.pinning.depended import Depended
from orchestrator.recipe.purls import same_python_version

_MANIFEST: Final = re.compile(r"(?:^|/)node_modules/(?:@[^/]+/)?[^/]+/package\.json$")
_DIST_INFO: Final = re.compile(r"(?:^|/)([^/]+)-([^/-]+)\.dist-info/METADATA$")
_LARGEST: Final = 1 << 20
"""Bytes of a package.json; npm's registry has none that is as large."""
_ZIP: Final = (b"PK\x03\x04", b"#!")
"""How a zip archive begins, and one that is a program."""


class Installed(NamedTuple):
    """A package, as it says itself."""

    ecosystem: Ecosystem
    name: str
    version: str


def for_development(
    root: Path, outputs: Iterable[str], pinned: Iterable[Depended]
) -> Mapping[str, frozenset[str]]:
    """Each of these outputs, in the store below `root`, to store paths of `pinned` that lie in it unpacked.

    Of `pinned` those count that lock files say users do not get.
    """
    kept = [each for each in pinned if not each.shipped]
    kept = [each for each in kept if each.ecosystem in (Ecosystem.NPM, Ecosystem.PYTHON)]
    if not kept:
        return {}
    found = {}
    for path in outputs:
        told = set(packages(root / path.lstrip("/")))
        if paths := frozenset(each.path for each in kept if any(_is(one, each) for one in told)):
            found[path] = paths
    return found


def packages(top: Path) -> Iterator[Installed]:
    """Those at or below `top`, and in zip archives there.

    No link is followed; what cannot be read is none.
    """
    files = list(_files(top))
    yield from _told(files, lambda name: _start(Path(name), _LARGEST))
    for file in files:
        if _start(Path(file), 4).startswith(_ZIP):
            try:
                with zipfile.ZipFile(file) as archive:
                    yield from list(_told(archive.namelist(), _reader(archive)))
            except ERRORS:  # a script, or no zip that installers make
                continue


def _files(top: Path) -> Iterator[str]:
    if top.is_symlink() or not top.is_dir():
        yield str(top)
        return
    for folder, _, names in os.walk(top):
        yield from (f"{folder}/{name}" for name in names)


def _start(file: Path, most: int) -> bytes:
    try:
        with open(os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
            return stream.read(most)
    except OSError:
        return b""


def _reader(archive: zipfile.ZipFile) -> Callable[[str], bytes]:
    def read(name: str) -> bytes:
        with archive.open(name) as stream:
            return stream.read(_LARGEST)

    return read


def _told(files: Iterable[str], read: Callable[[str], bytes]) -> Iterator[Installed]:
    for name in files:
        if (python := _DIST_INFO.search(name)) is not None:
            yield Installed(Ecosystem.PYTHON, python[1], python[2])
        elif _MANIFEST.search(name) is not None:
            try:
                said = json.loads(read(name))
            except (ValueError, RecursionError):
                continue
            if isinstance(said, dict):
                yield Installed(Ecosystem.NPM, str(said.get("name")), str(said.get("version")))


def _is(one: Installed, each: Depended) -> bool:
    if one.ecosystem is not each.ecosystem:
        return False
    if one.ecosystem is Ecosystem.NPM:
        return (one.name, one.version) == (each.name, each.version)
    from packaging.utils import canonicalize_name

    return canonicalize_name(one.name) == canonicalize_name(each.name) and same_python_version(
        one.version, each.version
    )
