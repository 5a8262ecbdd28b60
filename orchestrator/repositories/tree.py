"""The tree that a Nix file is evaluated in: its repository's files as they lie there, or its folder's.

It is copied to a folder `source`, as Nix calls what it fetches: what is evaluated depends on no place.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from orchestrator.ground.digest import NarHash
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import contents, opened, shown
from orchestrator.ground.nar import nar_hash
from orchestrator.ground.plainly import why
from orchestrator.repositories.git import NoCommitError, NoGitError, NoRepositoryError, head
from orchestrator.repositories.gitobjects import SUBMODULE, SYMLINK, Entry, Objects
from orchestrator.repositories.gittree import copy_working_tree, empty_folders, in_itself
from orchestrator.repositories.repository import remote
from orchestrator.repositories.revision import Revision

NAME = "source"
_CHUNK = 1 << 20
_KEY, _BESIDE, _PRIVATE, _LARGEST_KEY = ".key", ".pub", b"PRIVATE KEY-----", 1 << 16  # of keys/keyfiles.py
_MOST_FILES, _MOST_BYTES = 200_000, 2 << 30  # of a folder without git, which may be anything


@dataclass(frozen=True, slots=True)
class Tree:
    """A copy, and what it is a copy of."""

    folder: Path
    place: str
    """What was asked for, below the folder; empty: the folder itself."""
    digest: NarHash
    revision: Revision | None
    """Its `recipe` is `place`; `uncommitted` are the files that are not as the commit has them."""
    unversioned: str | None
    """Why there is no revision."""


def tree_of(path: Path, target: Path, *, tracked: bool = False, out: Path | None = None) -> Tree:
    """The tree that holds a file or a folder, copied below `target`, a folder to be made. Raises TallyError.

    Of a git repository, all that it does not ignore, or with `tracked` what it tracks, without `out`, where
    releases go, if it tracks nothing there; else the folder itself, or the file's. A commit changes nothing
    of that: one without any is a repository, too.
    """
    path = path.absolute()
    if not path.exists():
        raise TallyError(
            f"there is nothing at {shown(path)}", hint="name a file, or the folder of a default.nix"
        )
    folder = target / NAME
    folder.mkdir(parents=True)
    start = path if path.is_dir() else path.parent
    commit, unversioned = None, None
    try:
        top, commit = head(start)
    except NoCommitError as error:
        top, unversioned = error.top, error.message
    except (NoRepositoryError, NoGitError) as error:
        if isinstance(error, NoGitError) and _in_repository(start):
            raise  # what git ignores there nobody can tell
        if folder.resolve().is_relative_to(start.resolve()):
            raise in_itself(start, folder) from error
        _copy(start, folder)
        return Tree(folder, "" if path.is_dir() else path.name, nar_hash(folder), None, error.message)
    resolved = path.resolve()
    copy_working_tree(top, "", folder, untracked=not tracked, without=_below(top, out, resolved))
    if not resolved.is_relative_to(top):
        raise TallyError(f"{shown(path)} is a link that leads out of the repository {shown(top)}")
    place = "" if resolved == top else str(resolved.relative_to(top))
    if not os.path.lexists(folder / place):
        raise TallyError(f"{shown(path)} is ignored by git", hint="take it out of .gitignore")
    revision = None
    if commit is not None:
        revision = Revision(commit, remote(top), place, *_uncommitted(top, commit, folder))
    return Tree(folder, place, nar_hash(folder), revision, unversioned)


def refuse_private_keys(folder: Path) -> None:
    """Raises TallyError for a folder that Nix takes as it is and that holds a private key of ours.

    What is evaluated is in a store, and may go into those of builders, where everybody reads it.
    """
    for file in _private_keys(folder):
        raise TallyError(
            f"{shown(file)} is a private key, and all of {shown(folder)} would go into a store, "
            "which everybody can read",
            hint="move it elsewhere; or make the folder a git repository, of which ignored files stay out, "
            "and name it without `path:`",
        )


def _private_keys(folder: Path) -> Iterator[Path]:
    """The private keys in it that `tally keys generate` made: each has its public one beside it."""
    for at, _, names in os.walk(folder):
        for name in names:
            file = Path(at, name)
            if not (name.endswith(_KEY) and file.with_suffix(_BESIDE).is_file()):
                continue
            with contextlib.suppress(OSError, ValueError):
                if not file.is_symlink() and _PRIVATE in contents(file, _LARGEST_KEY):
                    yield file


def _in_repository(folder: Path) -> bool:
    return any(os.path.lexists(each / ".git") for each in (folder, *folder.parents))


def _below(top: Path, out: Path | None, asked: Path) -> str | None:
    """The folder that releases go to, in the repository; None: elsewhere, or what was asked for is in it."""
    there = None if out is None else Path(os.path.realpath(out))
    if there is None or top not in there.parents or asked.is_relative_to(there):
        return None
    return str(there.relative_to(top))


def _copy(origin: Path, folder: Path) -> None:
    """A folder that is in no repository, without private keys of ours. Raises TallyError for no project."""
    files, size = 0, 0
    for at, _, names in os.walk(origin):
        for name in names:
            files, size = files + 1, size + os.lstat(os.path.join(at, name)).st_size  # noqa: PTH118 names are no text
        if files > _MOST_FILES or size > _MOST_BYTES:
            raise TallyError(
                f"{shown(origin)} is in no git repository, and holds more than {_MOST_FILES} files or "
                f"{_MOST_BYTES >> 30} GiB",
                hint="put the file into a folder of its own, or under git",
            )
    keys = set(map(os.fspath, _private_keys(origin)))  # git has what it leaves out in .git/info/exclude

    def left_out(at: str, names: list[str]) -> set[str]:
        return {name for name in names if f"{at}/{name}" in keys}

    try:
        shutil.copytree(origin, folder, symlinks=True, dirs_exist_ok=True, ignore=left_out)
    except (OSError, shutil.Error) as error:
        raise TallyError(f"{shown(origin)} cannot be copied: {why(error)}") from error


def differing(top: Path, commit: str, folder: Path, *, submodules: bool = False) -> tuple[str, ...]:
    """Files of a tree that are not as a commit of the repository `top` has them, and folders that it has not.

    Each file's bytes here are hashed as git does, and compared with the id in the commit's trees, which are
    hashed again. A submodule is an empty folder, or with `submodules` not looked into. Sorted.
    """
    linked, committed = _committed(top, commit)
    there = _blobs(folder, len(commit))
    if submodules:
        there = {name: each for name, each in there.items() if not _is_below(name, linked)}
        return _unlike(committed, there)
    return tuple(sorted({*_unlike(committed, there), *(linked ^ {*empty_folders(folder)} - {"."})}))


def _uncommitted(top: Path, commit: str, folder: Path) -> tuple[tuple[str, ...], frozenset[str]]:
    """Files whose bytes or mode are not as the commit has them, deleted ones among them; and of these the
    new ones.
    """
    _, committed = _committed(top, commit)
    changed = _unlike(committed, _blobs(folder, len(commit)))
    return changed, frozenset(changed) - committed.keys()


_Blob = tuple[str, str]
"""Mode and id."""


def _committed(top: Path, commit: str) -> tuple[frozenset[str], Mapping[str, _Blob]]:
    """A commit's submodules, and its files."""
    with Objects(top) as objects:
        entries = list(objects.walk(objects.tree_of(commit)))
    linked = frozenset(os.fsdecode(each.path) for each in entries if each.mode == SUBMODULE)
    files = {os.fsdecode(each.path): (_mode(each), each.object) for each in entries if each.mode != SUBMODULE}
    return linked, files


def _mode(entry: Entry) -> str:
    """As git writes it today: of a regular file one of two, whatever permissions an old tree has for it."""
    if not entry.is_file:
        return entry.mode
    return "100755" if int(entry.mode, 8) & stat.S_IXUSR else "100644"


def _unlike(committed: Mapping[str, _Blob], there: Mapping[str, _Blob]) -> tuple[str, ...]:
    every = committed.keys() | there.keys()
    return tuple(sorted(name for name in every if committed.get(name) != there.get(name)))


def _is_below(name: str, folders: frozenset[str]) -> bool:
    return any(str(each) in folders for each in PurePath(name).parents)


def _blobs(folder: Path, digits: int) -> Mapping[str, _Blob]:
    """Each file's path to the mode and the id that git would give it."""
    found = {}
    for at, below, names in os.walk(folder):
        links = [name for name in below if (Path(at) / name).is_symlink()]
        for name in (*names, *links):
            file = Path(at) / name
            mode = file.lstat().st_mode
            digest = hashlib.sha256() if digits == 64 else hashlib.sha1(usedforsecurity=False)
            if stat.S_ISLNK(mode):
                kind, target = SYMLINK, os.fsencode(file.readlink())
                digest.update(b"blob %d\0" % len(target) + target)
            else:
                kind = "100755" if mode & stat.S_IXUSR else "100644"
                with opened(file) as stream:
                    digest.update(b"blob %d\0" % os.fstat(stream.fileno()).st_size)
                    while chunk := stream.read(_CHUNK):
                        digest.update(chunk)
            found[str(file.relative_to(folder))] = (kind, digest.hexdigest())
    return found
