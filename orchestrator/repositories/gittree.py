"""Trees out of git repositories, byte for byte as the commit has them.

Files are read from git's objects, never checked out: no filter, line-end conversion, attribute or hook of
the machine's or the repository's configuration can change them.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import shown
from orchestrator.repositories.bounds import LONGEST_PATH, Budget, check_link
from orchestrator.repositories.git import git, pathspec
from orchestrator.repositories.gitobjects import FOLDER, SUBMODULE, SYMLINK, Entry, Objects


@dataclass(frozen=True, slots=True)
class Submodule:
    """Another repository's commit, in the place of a folder."""

    path: str
    """Relative to the folder that was exported."""
    commit: str


def _to_have(repository: Path, path: str) -> str:
    """The way out for a folder that a commit has not."""
    place = repository / path
    if place.is_dir():
        return (
            f"commit what is in {path}: git has no empty folders, and knows nothing of what was never added"
        )
    if place.is_file():
        return "name the folder that the file is in"
    return "name a folder of the repository, from its top"


def export_tree(
    repository: Path, commit: str, path: str, folder: Path, budget: Budget | None = None
) -> tuple[Submodule, ...]:
    """Write the tree at `path` (empty: all) of a commit into a folder that is there and empty.

    Submodules become empty folders, as with `git clone`; they are given back.
    Raises TallyError when there is no such folder in the commit, or more in it than `budget` has left.
    """
    found = []
    budget = budget or Budget(f"the repository {repository}")
    with Objects(repository) as objects:
        tree = objects.at(objects.tree_of(commit), os.fsencode(path))
        if tree is None or tree.mode != FOLDER:
            raise TallyError(
                f"the commit {commit[:12]} has no folder {path!r}", hint=_to_have(repository, path)
            )
        for entry in objects.walk(tree.object, budget):  # the whole tree is sound before a file is written
            _check_length(folder, entry)
        for entry in objects.walk(tree.object, Budget(budget.source, budget.bounds)):
            target = Path(os.fsdecode(os.fsencode(folder) + b"/" + entry.path))
            if entry.mode == SUBMODULE:
                target.mkdir(parents=True)
                found.append(Submodule(os.fsdecode(entry.path), entry.object))
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                _write(objects, entry, target, budget)
    return tuple(found)


def copy_working_tree(
    repository: Path,
    path: str,
    folder: Path,
    budget: Budget | None = None,
    *,
    untracked: bool = True,
    without: str | None = None,
) -> tuple[Submodule, ...]:
    """Copy the files below `path` as they lie there, but ignored ones, into an empty folder.

    Without `untracked` those that git does not know are left out, too; and those below `without`, a folder
    of the repository, where git knows none of them. Submodules become empty folders, and
    are given back. Raises TallyError like `export_tree`.
    """
    budget = budget or Budget(f"the repository {repository}")
    if untracked and folder.resolve().is_relative_to(repository.resolve()):
        _refuse_itself(repository, folder)
    flags = ("--cached", *(("--others", "--exclude-standard") if untracked else ()))
    said = git(repository, "ls-files", "-z", *flags, "--", pathspec(path))
    staged = git(repository, "ls-files", "-z", "--stage", "--", pathspec(path)).split("\0")
    linked = {
        name: head.split(" ")[1]
        for head, _, name in (entry.partition("\t") for entry in staged)
        if name and head.startswith(SUBMODULE)
    }
    top = repository / path if path else repository
    names = set(said.split("\0")) - {""}
    if without is not None and not git(repository, "ls-files", "-z", "--", pathspec(without)):
        names = {name for name in names if not name.startswith(f"{without}/")}
    for name in sorted(names):
        origin = repository / name
        if not os.path.lexists(origin):
            continue  # deleted since the commit
        target = folder / origin.relative_to(top)
        budget.folder(name.count("/") + 1, 1)
        target.parent.mkdir(parents=True, exist_ok=True)
        if name in linked:
            target.mkdir()
        elif origin.is_dir() and not origin.is_symlink():
            raise TallyError(
                f"{name} is a git repository of its own", hint="make it a submodule, or have git ignore it"
            )
        elif not (origin.is_symlink() or origin.is_file()):
            raise TallyError(
                f"{name} is neither a file, a folder nor a symbolic link",
                hint="delete it, or have git ignore it",
            )
        else:
            budget.file(os.fsencode(name), origin.lstat().st_size)
            shutil.copy(origin, target, follow_symlinks=False)
    return tuple(
        Submodule(str((repository / name).relative_to(top)), commit)
        for name, commit in sorted(linked.items())
    )


def _refuse_itself(repository: Path, folder: Path) -> None:
    """Raises TallyError where a copy of what a repository does not ignore would have the copy in it."""
    place = folder.resolve().relative_to(repository.resolve())
    if git(
        repository,
        "ls-files",
        "-z",
        "--others",
        "--exclude-standard",
        "--directory",
        "--",
        pathspec(str(place)),
    ):
        raise in_itself(repository, folder, "have git ignore it, or ")


def in_itself(origin: Path, folder: Path, way_out: str = "") -> TallyError:
    """What is said where what Tallystick keeps is part of what it is to copy."""
    return TallyError(
        f"all of {shown(origin)} is copied, and the copy, {shown(folder)}, would be in it",
        hint=f"the state folder is in there: {way_out}set TALLY_STATE to a folder elsewhere",
    )


def empty_folders(folder: Path) -> tuple[str, ...]:
    """The folders of a tree that hold nothing, sorted: git keeps none, so each was a submodule."""
    walked = os.walk(folder)
    return tuple(
        sorted(os.path.relpath(at, folder) for at, below, names in walked if not below and not names)
    )


def _check_length(folder: Path, entry: Entry) -> None:
    length = len(os.fsencode(folder)) + 1 + len(entry.path)
    if length > LONGEST_PATH:
        raise TallyError(
            f"the tree has a path of {length:,} bytes together with the folder it is written to, {folder}: "
            f"Linux takes {LONGEST_PATH:,} at most"
        )


def _write(objects: Objects, entry: Entry, target: Path, budget: Budget) -> None:
    if entry.mode == SYMLINK:
        pieces: list[bytes] = []
        objects.copy(entry, pieces.append, budget)
        check_link(entry.path, len(leads_to := b"".join(pieces)), leads_to)
        target.symlink_to(os.fsdecode(leads_to))
        return
    # `x`: a name that is there already, by case or by a link, would be another file's
    with target.open("xb") as written:
        objects.copy(entry, written.write, budget)
        os.fchmod(written.fileno(), 0o755 if entry.mode == "100755" else 0o644)
