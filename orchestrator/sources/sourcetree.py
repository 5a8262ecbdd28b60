"""Single files out of a source, without unpacking all of it: what a build finds at their paths."""

from __future__ import annotations

import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final
from urllib.parse import unquote

from orchestrator.dependencies.tree import LARGEST, MOST, Tree
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import contents
from orchestrator.ground.plainly import why
from orchestrator.ground.zips import ERRORS
from orchestrator.repositories import git
from orchestrator.repositories.gitobjects import FOLDER, Entry, Objects

_BESIDE: Final = (".DS_Store", "pax_global_header")
"""What lies beside the one folder of an archive and is not counted: nix/unpack.sh."""
_MOST: Final = 8 << 30
"""Bytes of an archive that are looked through, unpacked."""
_ZSTD: Final = b"\x28\xb5\x2f\xfd"


def of_path(repository: Path, url: str) -> Tree:
    """The tree that a path source's address names: `path:PATH@COMMIT`. Raises TallyError."""
    path, _, commit = url.removeprefix("path:").rpartition("@")
    top, _ = git.head(repository)
    inside = "/".join(part for part in unquote(path).split("/") if part not in ("", "."))
    return _Commit(top, commit, inside) if commit else folder(top / inside)


def folder(place: Path) -> Tree:
    """A folder of this machine."""
    return _Folder(place)


def archive(place: Path) -> Tree:
    """What an archive holds, below its one folder where it has one."""
    return _Archive(place)


@dataclass(frozen=True, slots=True)
class _Commit:
    top: Path
    commit: str
    inside: str

    def read(self, path: str) -> bytes | None:
        with Objects(self.top) as objects:
            whole = "/".join(part for part in (self.inside, path) if part)
            found = objects.at(objects.tree_of(self.commit), os.fsencode(whole))
            if found is None or not found.is_file:
                return None
            return _content(objects, found, path)

    def named(self, name: str) -> Mapping[str, bytes]:
        found = {}
        with Objects(self.top) as objects:
            tree = objects.at(objects.tree_of(self.commit), os.fsencode(self.inside))
            for each in objects.walk(tree.object) if tree is not None and tree.mode == FOLDER else ():
                path = os.fsdecode(each.path)
                if each.is_file and path.rpartition("/")[2] == name:
                    found[path] = _content(objects, each, path)
                    _bound(found, name)
        return found


def _content(objects: Objects, entry: Entry, path: str) -> bytes:
    pieces: list[bytes] = []
    size = 0

    def take(piece: bytes) -> None:
        nonlocal size
        size += len(piece)
        if size > LARGEST:
            raise too_large(path)
        pieces.append(piece)

    objects.copy(entry, take)
    return b"".join(pieces)


@dataclass(frozen=True, slots=True)
class _Folder:
    place: Path

    def read(self, path: str) -> bytes | None:
        try:
            place = (self.place / path).resolve(strict=True)
            if not place.is_relative_to(self.place.resolve()) or not place.is_file():
                return None
            if place.stat().st_size > LARGEST:
                raise too_large(path)
            return contents(place, LARGEST)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise TallyError(f"cannot read {path} of {self.place.name}: {why(error)}") from error

    def named(self, name: str) -> Mapping[str, bytes]:
        found: dict[str, bytes] = {}
        for folder, folders, files in os.walk(self.place):
            folders.sort()
            place = Path(folder, name)
            path = str(place.relative_to(self.place))
            if name in files and not place.is_symlink():
                data = self.read(path)
                if data is not None:
                    found[path] = data
                    _bound(found, name)
        return found


class _Archive:
    def __init__(self, place: Path) -> None:
        self.place = place

    def read(self, path: str) -> bytes | None:
        """Looked for at every depth that one folder on top can make; which is right, is known at the end."""
        found, top = self._searched(path, lambda name: _fits(name, path))
        return found.get(f"{top}{path}")

    def named(self, name: str) -> Mapping[str, bytes]:
        found, top = self._searched(name, lambda path: path.rpartition("/")[2] == name)
        return {path.removeprefix(top): data for path, data in found.items() if path.startswith(top)}

    def _searched(self, what: str, wanted: Callable[[str], bool]) -> tuple[Mapping[str, bytes], str]:
        """The files that are wanted, and what stands before the paths of all: one folder's, or nothing."""
        from zstandard import ZstdError as Unpacking

        try:
            with self.place.open("rb") as stream:
                zipped = stream.read(4) in (b"PK\x03\x04", b"PK\x05\x06")
            found, tops = (self._of_zip if zipped else self._of_tar)(what, wanted)
        except (*ERRORS, tarfile.TarError, Unpacking) as error:
            raise TallyError(
                f"cannot look for {what} in {self.place.name}: {why(error)}",
                hint="lock files are read out of .tar, .tar.gz, .tar.bz2, .tar.xz, .tar.zst and .zip",
            ) from error
        one = len(tops) == 1 and next(iter(tops.values()))
        return found, f"{next(iter(tops))}/" if one else ""

    def _of_tar(self, what: str, wanted: Callable[[str], bool]) -> tuple[dict[str, bytes], dict[str, bool]]:
        found: dict[str, bytes] = {}
        tops: dict[str, bool] = {}
        total = 0
        with _opened(self.place) as stream, tarfile.open(fileobj=stream, mode="r|*") as tar:
            for member in tar:
                total += member.size
                if total > _MOST:
                    raise TallyError(f"{self.place.name} holds more than {_MOST >> 30} GiB")
                name = "/".join(part for part in member.name.split("/") if part not in ("", "."))
                _count(tops, name, is_folder=member.isdir())
                if wanted(name):
                    if member.size > LARGEST:
                        raise too_large(name)
                    data = tar.extractfile(member) if member.isreg() else None
                    found.pop(name, None)  # what comes last is what the build unpacks, a link, too
                    if data is not None:
                        found[name] = data.read(LARGEST)
                        _bound(found, what)
        return found, tops

    def _of_zip(self, what: str, wanted: Callable[[str], bool]) -> tuple[dict[str, bytes], dict[str, bool]]:
        found: dict[str, bytes] = {}
        tops: dict[str, bool] = {}
        with zipfile.ZipFile(self.place) as packed:
            for each in packed.infolist():
                name = "/".join(part for part in each.filename.split("/") if part not in ("", "."))
                _count(tops, name, is_folder=each.is_dir())
                if wanted(name) and not each.is_dir():
                    with packed.open(each) as stream:
                        data = stream.read(LARGEST + 1)
                    if len(data) > LARGEST:
                        raise too_large(name)
                    found[name] = data
                    _bound(found, what)
        return found, tops


def _bound(found: Mapping[str, bytes], name: str) -> None:
    if len(found) > MOST or sum(map(len, found.values())) > LARGEST * 4:
        raise TallyError(f"the source has too many files called {name}", hint="is it the right source?")


@contextmanager
def _opened(place: Path) -> Iterator[IO[bytes]]:
    with place.open("rb") as stream:
        beginning = stream.read(4)
        stream.seek(0)
        if beginning != _ZSTD:
            yield stream
            return
        import zstandard

        with zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(stream) as unpacked:
            yield unpacked


def _count(tops: dict[str, bool], name: str, *, is_folder: bool) -> None:
    """Note what lies on top of an archive, and whether it is a folder."""
    top, mark, _ = name.partition("/")
    within = bool(mark) or is_folder
    if not top or (not within and (top in _BESIDE or top.startswith("._"))) or (within and top == "__MACOSX"):
        return
    tops[top] = tops.get(top, False) or within


def _fits(name: str, path: str) -> bool:
    return name == path or name.partition("/")[2] == path


def too_large(path: str) -> TallyError:
    """The error for a file that is too large to be read out of a source."""
    return TallyError(
        f"{path} has more than {LARGEST >> 20} MiB, and no more is read of a lock file, "
        "or of a package that one has in the source",
        hint="is it the right file? Have large packages in a registry",
    )
