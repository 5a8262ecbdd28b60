"""Finds the lines of a derivation's own sources that could write what differs, in archives and folders."""

from __future__ import annotations

import os
import re
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from orchestrator.diagnosis.hints import Hint, hints
from orchestrator.diagnosis.names import Name
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.derivation import Derivation

_MOST_FILES: Final = 20_000
_LARGEST: Final = 1 << 20  # bytes of a file that a person wrote
_MOST: Final = 32 << 20  # bytes of all of them
_FOUND: Final = 500
_SHOWN: Final = 5
_SOURCES: Final = re.compile(r"tallySources|srcs?|src_\w+")
"""The variables of a derivation that name what it is built from: a recipe's, and nixpkgs's."""
_PATH: Final = re.compile(r"/nix/store/[0-9a-z]{32}-[0-9A-Za-z+._?=-]+")


_PINS: Final = re.compile(
    r".*\.lock|.*-lock\.(json|ya?ml)|npm-shrinkwrap\.json|go\.sum|pylock(\..+)?\.toml|.*requirements.*\.txt"
)
"""Names of files that say what is installed."""
_OTHERS: Final = frozenset({"node_modules", "vendor", "vendored", "third_party", "site-packages", ".yarn"})
"""Names of folders that hold what others wrote."""
_BUILD: Final = re.compile(rb"^\[build\]", re.MULTILINE)
_SCRIPT: Final = re.compile(rb"^script *=", re.MULTILINE)


def writes(name: str) -> bool:
    """Whether a source's file may be what writes a value, by its name: no lock, and nothing vendored."""
    *folders, last = name.split("/")
    return last != "tally.toml" and _PINS.fullmatch(last) is None and _OTHERS.isdisjoint(folders)


def is_recipe(name: str, data: bytes) -> bool:
    """Whether a file is a recipe: a target's own is looked at by itself."""
    return name.endswith(".toml") and _BUILD.search(data) is not None and _SCRIPT.search(data) is not None


def lines_for(store: ChrootStore, derivation: Derivation, wanted: Collection[Name]) -> Sequence[Hint]:
    """Lines that could write one of the `wanted` causes, in the order of the files; some hundreds at most.

    What cannot be read is passed over: these are places to look at, and prove nothing.
    """
    return list(islice(_hints(store, derivation, wanted), _FOUND))


def nearest(found: Sequence[Hint], words: Collection[str]) -> Sequence[Hint]:
    """The few that have most of some words."""
    return sorted(found, key=lambda hint: -sum(word in hint.text for word in words))[:_SHOWN]


def _hints(store: ChrootStore, derivation: Derivation, wanted: Collection[Name]) -> Iterator[Hint]:
    read = 0
    for name, data in islice(_files(store, derivation), _MOST_FILES):
        if b"\0" in data[:4096] or is_recipe(name, data):
            continue
        read += len(data)
        if read > _MOST:
            return
        yield from hints(name, data.decode("utf-8", "replace").splitlines(), wanted)


def _files(store: ChrootStore, derivation: Derivation) -> Iterator[tuple[str, bytes]]:
    """Every regular file of the sources that may write something, by its name there. No link is followed."""
    texts = (text for name, text in sorted(derivation.env.items()) if _SOURCES.fullmatch(name))
    for path in dict.fromkeys(path for text in texts for path in _PATH.findall(text)):
        place = store.physical(path)
        try:
            if place.is_dir() and not place.is_symlink():
                yield from _in_folder(place)
            elif tarfile.is_tarfile(place):
                yield from _in_tar(place)
            elif zipfile.is_zipfile(place):
                yield from _in_zip(place)
        except (OSError, tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, ValueError):
            continue


def _in_folder(folder: Path) -> Iterator[tuple[str, bytes]]:
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(set(folders) - _OTHERS)
        for name in filter(writes, sorted(names)):
            file = Path(root, name)
            if file.is_file() and not file.is_symlink() and file.stat().st_size <= _LARGEST:
                with file.open("rb") as stream:
                    yield str(file.relative_to(folder)), stream.read(_LARGEST)


def _in_tar(file: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(file) as archive:
        for member in archive:
            if member.isreg() and member.size <= _LARGEST and writes(member.name):
                stream = archive.extractfile(member)
                if stream is not None:
                    yield member.name, stream.read(_LARGEST)


def _in_zip(file: Path) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            if not member.is_dir() and member.file_size <= _LARGEST and writes(member.filename):
                with archive.open(member) as stream:
                    yield member.filename, stream.read(_LARGEST)
