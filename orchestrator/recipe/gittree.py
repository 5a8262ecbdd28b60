"""Trees out of git repositories, byte for byte as the commit has them.

Files are read from git's objects, never checked out: no filter, line-end conversion, attribute or hook of
the machine's or the repository's configuration can change them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from orchestrator.ground.errors import TallyError
from orchestrator.recipe.git import command, environment, git, pathspec

_CHUNK = 1 << 20
_BATCH_HEADER = re.compile(rb"[0-9a-f]+ blob (\d+)\n")
_SUBMODULE = "160000"


@dataclass(frozen=True, slots=True)
class _Entry:
    mode: str
    object: str
    path: bytes


@dataclass(frozen=True, slots=True)
class Submodule:
    """Another repository's commit, in the place of a folder."""

    path: str
    """Relative to the folder that was exported."""
    commit: str


def export_tree(repository: Path, commit: str, path: str, folder: Path) -> tuple[Submodule, ...]:
    """Write the tree at `path` (empty: all) of a commit into a folder that is there and empty.

    Submodules become empty folders, as with `git clone`; they are given back.
    Raises TallyError when there is no such folder in the commit.
    """
    entries = list(_listed(repository, commit, path))
    with subprocess.Popen(
        command(repository, "cat-file", "--batch"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for entry in entries:
            if entry.mode == _SUBMODULE:
                Path(os.fsdecode(os.fsencode(folder) + b"/" + entry.path)).mkdir(parents=True)
                continue
            process.stdin.write(f"{entry.object}\n".encode())
            process.stdin.flush()
            _write(process.stdout, entry, os.fsencode(folder))
        process.stdin.close()
    return tuple(Submodule(os.fsdecode(e.path), e.object) for e in entries if e.mode == _SUBMODULE)


def copy_working_tree(repository: Path, path: str, folder: Path) -> tuple[Submodule, ...]:
    """Copy the files below `path` as they lie there, but ignored ones, into an empty folder.

    Submodules become empty folders, and are given back.
    """
    flags = ("--cached", "--others", "--exclude-standard")
    said = git(repository, "ls-files", "-z", *flags, "--", pathspec(path))
    staged = git(repository, "ls-files", "-z", "--stage", "--", pathspec(path)).split("\0")
    linked = {
        name: head.split(" ")[1]
        for head, _, name in (entry.partition("\t") for entry in staged)
        if name and head.startswith(_SUBMODULE)
    }
    top = repository / path if path else repository
    for name in sorted(set(said.split("\0")) - {""}):
        origin = repository / name
        if not os.path.lexists(origin):
            continue  # deleted since the commit
        target = folder / origin.relative_to(top)
        target.parent.mkdir(parents=True, exist_ok=True)
        if name in linked:
            target.mkdir()
        elif origin.is_dir() and not origin.is_symlink():
            raise TallyError(
                f"{name} is a git repository of its own", hint="make it a submodule, or have git ignore it"
            )
        else:
            shutil.copy(origin, target, follow_symlinks=False)
    return tuple(
        Submodule(str((repository / name).relative_to(top)), commit)
        for name, commit in sorted(linked.items())
    )


def empty_folders(folder: Path) -> tuple[str, ...]:
    """The folders of a tree that hold nothing, sorted: git keeps none, so each was a submodule."""
    walked = os.walk(folder)
    return tuple(
        sorted(os.path.relpath(at, folder) for at, below, names in walked if not below and not names)
    )


def _listed(repository: Path, commit: str, path: str) -> Iterator[_Entry]:
    tree = git(repository, "rev-parse", "--verify", "--quiet", f"{commit}:{path}", missing="").strip()
    if not tree or git(repository, "cat-file", "-t", tree).strip() != "tree":
        raise TallyError(f"the commit {commit[:12]} has no folder {path!r}", hint="a path source is a folder")
    said = os.fsencode(git(repository, "ls-tree", "-r", "-z", "--full-tree", tree))
    for entry in said.split(b"\0"):
        if not entry:
            continue
        description, _, name = entry.partition(b"\t")
        mode, _, object_ = description.decode().split(" ")
        if any(part in (b"", b".", b"..", b".git") for part in name.split(b"/")):
            raise TallyError(f"the tree holds a file with the unsafe name {os.fsdecode(name)!r}")
        yield _Entry(mode, object_, name)


def _write(stream: IO[bytes], file: _Entry, folder: bytes) -> None:
    header = _BATCH_HEADER.fullmatch(stream.readline())
    if header is None:
        raise TallyError(f"git lacks the content of {os.fsdecode(file.path)}")
    left = int(header[1])
    target = Path(os.fsdecode(folder + b"/" + file.path))
    target.parent.mkdir(parents=True, exist_ok=True)
    if file.mode == "120000":
        target.symlink_to(os.fsdecode(_exactly(stream, left)))
    else:
        # `x`: a name that is there already, by case or by a link, would be another file's
        with target.open("xb") as written:
            while left:
                chunk = _exactly(stream, min(_CHUNK, left))
                written.write(chunk)
                left -= len(chunk)
            os.fchmod(written.fileno(), 0o755 if file.mode == "100755" else 0o644)
    stream.read(1)


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise TallyError("git stopped in the middle of a file")
    return data
