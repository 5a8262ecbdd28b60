"""What lies in a working tree otherwise than in its commit, told without running anything it names.

`git status` runs the filters that `.git/config` names. Here git lists names alone; files are hashed in this
process and compared with the commit's own tree, as `gitobjects` reads it. Two conversions of git's are undone
here: line ends, and git-lfs's large files. What any other filter makes of a file is a change.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import contents, opened
from orchestrator.repositories.bounds import Budget
from orchestrator.repositories.git import git, head, pathspec
from orchestrator.repositories.gitobjects import FOLDER, SUBMODULE, SYMLINK, Entry, Objects
from orchestrator.repositories.lfs import LARGEST_POINTER, pointed_to

_CHUNK: Final = 1 << 20
_LARGEST_TEXT: Final = 1 << 26  # bytes; what is larger is no text whose line ends anybody converts
_AT_ONCE: Final = 200  # paths on one command line
_CONVERTING: Final = ("filter", "ident", "working-tree-encoding")
_LINE_ENDS: Final = ("text", "eol", "crlf")


@dataclass(frozen=True, slots=True)
class Change:
    """One file that is not as its commit has it: another one, a new one, or none."""

    path: str
    """From the top of the repository."""
    filter: str | None = None
    """The attribute by which git would convert the file, as `filter=NAME`, and for which that may be all."""
    new: bool = False
    """Whether the commit has no such file."""


def differs(top: Path, commit: str) -> bool:
    """Whether a file that git tracks is not as in a commit, in the working tree or in the index.

    Submodules are not looked into, as by `git diff --ignore-submodules`. Raises TallyError.
    """
    staged = ("diff-index", "--cached", "--name-only", "-z", "--ignore-submodules", commit)
    if git(top, *staged):
        return True
    listed = set(git(top, "ls-files", "-z", "--cached").split("\0"))
    found = _changes(top, commit, "", Budget(f"the repository {top}"), 0, submodules=False)
    return any(each.path in listed for each in found)


def changes(top: Path, commit: str, path: str, budget: Budget | None = None) -> tuple[Change, ...]:
    """Files below `path` that differ from a commit, new ones too; ignored ones not. Sorted.

    Submodules that are checked out are looked into, as their own commits. Raises TallyError.
    """
    return tuple(_changes(top, commit, path, budget or Budget(f"the repository {top}"), 0))


def _changes(
    top: Path, commit: str, path: str, budget: Budget, level: int, *, submodules: bool = True
) -> Iterator[Change]:
    listed = _listed(top, path)
    absent_by_choice = _sparse(top, path)
    modes = git(top, "config", "--type=bool", "--get", "core.fileMode", missing="").strip() != "false"
    different: list[Change | Entry] = []
    with Objects(top) as objects:
        folders = _Folders(top)
        seen: set[str] = set()
        for entry in _committed(objects, commit, path, budget):
            name = os.fsdecode(entry.path)
            seen.add(name)
            status = folders.status(name)
            place = top / name if status else top  # to make a path takes as long as all else
            if entry.mode == SUBMODULE:
                if submodules and not (status is None and name in absent_by_choice):
                    different += _of_submodule(place, status, name, entry.object, budget, level + 1)
            elif status is None:
                if name not in absent_by_choice:
                    different.append(Change(name))
            elif entry.mode == SYMLINK:
                if (
                    not stat.S_ISLNK(status.st_mode)
                    or _id(os.readlink(os.fsencode(place)), commit) != entry.object
                ):
                    different.append(Change(name))
            elif not stat.S_ISREG(status.st_mode) or (
                modes and bool(status.st_mode & stat.S_IXUSR) != (entry.mode == "100755")
            ):
                different.append(Change(name))
            elif _file_id(place, commit) != entry.object and not _is_large_file(objects, entry, place):
                different.append(entry)
        different += [Change(name, new=True) for name in listed - seen if os.path.lexists(top / name)]
        entries = [each for each in different if isinstance(each, Entry)]
    told = _unconverted(top, commit, entries) if entries else {}
    found = [each for each in different if isinstance(each, Change)] + [
        each for each in told.values() if each
    ]
    yield from sorted(found, key=lambda each: each.path)


def _committed(objects: Objects, commit: str, path: str, budget: Budget) -> Iterator[Entry]:
    """What the commit has at and below a path, each with its path from the top."""
    found = objects.at(objects.tree_of(commit), os.fsencode(path))
    if found is None:
        return
    if found.mode == FOLDER:
        yield from objects.walk(found.object, budget, os.fsencode(f"{path}/" if path else ""))
    else:
        yield Entry(found.mode, found.object, os.fsencode(path))


def _listed(top: Path, path: str) -> set[str]:
    """The files that git would commit, by their names alone: it reads and runs nothing for that."""
    flags = ("--cached", "--others", "--exclude-standard")
    return set(git(top, "ls-files", "-z", *flags, "--", pathspec(path)).split("\0")) - {""}


def _sparse(top: Path, path: str) -> set[str]:
    """Files that are left out of the working tree on purpose (`git sparse-checkout`)."""
    said = git(top, "ls-files", "-z", "-t", "--cached", "--", pathspec(path)).split("\0")
    return {entry[2:] for entry in said if entry.startswith("S ")}


class _Folders:
    """Files of a working tree, none of them by way of a symbolic link."""

    def __init__(self, top: Path) -> None:
        self._top = top
        self._real: dict[str, bool] = {"": True}

    def status(self, name: str) -> os.stat_result | None:
        """None: there is no such file."""
        if not self._is_real(name.rpartition("/")[0]):
            return None
        try:
            return os.lstat(self._top / name)
        except OSError:
            return None

    def _is_real(self, folder: str) -> bool:
        unknown = []
        while folder not in self._real:
            unknown.append(folder)
            folder = folder.rpartition("/")[0]
        real = self._real[folder]
        for each in reversed(unknown):
            real = self._real[each] = real and _is_folder(self._top / each)
        return real


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def _of_submodule(
    place: Path, status: os.stat_result | None, name: str, commit: str, budget: Budget, level: int
) -> Sequence[Change]:
    if status is None or not stat.S_ISDIR(status.st_mode):
        return [Change(name)]
    if not os.path.lexists(place / ".git"):
        return []
    budget.submodule(level)
    try:
        top, now = head(place)
    except TallyError as error:
        raise TallyError(f"submodule {name}: {error.message}", hint=error.hint) from error
    if now != commit or top != place.resolve():
        return [Change(name)]
    return [Change(f"{name}/{each.path}", each.filter) for each in _changes(top, now, "", budget, level)]


def _digest(commit: str) -> hashlib._Hash:
    return hashlib.sha256() if len(commit) == 64 else hashlib.sha1(usedforsecurity=False)


def _id(data: bytes, commit: str) -> str:
    """A blob's id in the repository of a commit."""
    digest = _digest(commit)
    digest.update(b"blob %d\0" % len(data) + data)
    return digest.hexdigest()


def _file_id(place: Path, commit: str) -> str | None:
    digest = _digest(commit)
    try:
        with opened(place) as stream:
            digest.update(b"blob %d\0" % os.fstat(stream.fileno()).st_size)
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    except OSError:
        return None  # one that cannot be read is not as the commit has it
    return digest.hexdigest()


def _is_large_file(objects: Objects, entry: Entry, place: Path) -> bool:
    """Whether the commit has git-lfs's pointer to what lies there."""
    beginning = bytearray()

    def keep(piece: bytes) -> None:
        beginning.extend(piece[: LARGEST_POINTER + 1 - len(beginning)])

    objects.copy(entry, keep)
    named = pointed_to(bytes(beginning))
    try:
        return named is not None and Sha256.of_file(place).hex == named
    except OSError:
        return False


def _unconverted(top: Path, commit: str, entries: Sequence[Entry]) -> Mapping[str, Change | None]:
    """Each file to how it differs, or None where it does by its line ends alone, which git converts."""
    names = [os.fsdecode(each.path) for each in entries]
    attributes = _attributes(top, names)
    automatic = git(top, "config", "--get", "core.autocrlf", missing="").strip().lower()
    found: dict[str, Change | None] = {}
    for entry, name in zip(entries, names, strict=True):
        has = attributes.get(name, {})
        converting = next(
            (
                each if has[each] == "set" else f"{each}={has[each]}"
                for each in _CONVERTING
                if has.get(each, "unset") not in ("unset", "unspecified")
            ),
            None,
        )
        ends = converting is None and _converts_line_ends(has, automatic)
        found[name] = (
            None
            if ends and _without_returns(top / name, commit) == entry.object
            else Change(name, converting)
        )
    return found


def _converts_line_ends(has: Mapping[str, str], automatic: str) -> bool:
    """gitattributes(5), `text` and `eol`; `crlf` is the old name of the first."""
    text = has.get("text", "unspecified")
    text = has.get("crlf", text) if text == "unspecified" else text
    if text == "unset":
        return False
    if text != "unspecified" or has.get("eol") in ("lf", "crlf"):
        return True
    return automatic in ("true", "input", "yes", "on", "1")


def _without_returns(place: Path, commit: str) -> str | None:
    try:
        return _id(contents(place, _LARGEST_TEXT).replace(b"\r\n", b"\n"), commit)
    except (OSError, ValueError):
        return None


def _attributes(top: Path, names: Sequence[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for some in (names[start : start + _AT_ONCE] for start in range(0, len(names), _AT_ONCE)):
        said = git(top, "check-attr", "-z", *_LINE_ENDS, *_CONVERTING, "--", *some).split("\0")
        for name, attribute, value in _triples(said):
            found.setdefault(name, {})[attribute] = value
    return found


def _triples(values: Sequence[str]) -> Iterable[tuple[str, str, str]]:
    return zip(values[0::3], values[1::3], values[2::3], strict=False)
