"""Trees out of git repositories, byte for byte as the commit has them.

Files are read from git's objects, never checked out: no filter, line-end conversion, attribute or hook of
the machine's or the repository's configuration can change them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from orchestrator.ground.errors import TallyError

_TIMEOUT = 900.0
_CHUNK = 1 << 20
_BATCH_HEADER = re.compile(rb"[0-9a-f]+ blob (\d+)\n")
# Variables by which a caller (a git hook, for one) would show git another repository or other objects.
_FOREIGN = re.compile(r"GIT_(?!SSH|SSL|HTTP|PROXY|TERMINAL).*")


@dataclass(frozen=True, slots=True)
class _File:
    mode: str
    blob: str
    path: bytes


def export_remote(address: str, rev: str, folder: Path) -> None:
    """Fetch one commit of a repository and write its tree into a folder that is there and empty.

    Raises TallyError when the repository or the commit cannot be had, or its tree cannot be a source.
    """
    with tempfile.TemporaryDirectory(prefix="tallystick-git-") as name:
        repository = Path(name)
        git(repository, "init", "--quiet", "--bare")
        try:
            git(repository, "fetch", "--quiet", "--no-tags", "--depth=1", address, rev)
        except TallyError:
            # older servers hand out branches and tags alone: fetch those, and look for the commit in them
            git(repository, "fetch", "--quiet", "--tags", address, "+refs/heads/*:refs/remotes/origin/*")
        found = git(repository, "rev-parse", "--verify", "--quiet", f"{rev}^{{commit}}", missing="").strip()
        if found != rev:
            raise TallyError(f"the repository has no commit {rev} on a branch or tag")
        export_tree(repository, rev, "", folder)


def export_tree(repository: Path, commit: str, path: str, folder: Path) -> None:
    """Write the tree at `path` (empty: all) of a commit into a folder that is there and empty.

    Raises TallyError when there is no such folder in the commit, or it holds a submodule.
    """
    files = list(_listed(repository, commit, path))
    with subprocess.Popen(
        _command(repository, "cat-file", "--batch"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=_environment(),
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for file in files:
            process.stdin.write(f"{file.blob}\n".encode())
            process.stdin.flush()
            _write(process.stdout, file, os.fsencode(folder))
        process.stdin.close()


def head(folder: Path) -> tuple[Path, str]:
    """The top folder of the repository that a folder is in, and the commit that is checked out there.

    Raises TallyError when the folder is in no repository, or that has no commit.
    """
    top = git(folder, "rev-parse", "--show-toplevel", missing="").removesuffix("\n")
    if not top:
        raise TallyError(
            f"{folder} is in no git repository",
            hint="a path source is taken from a commit of the recipe's repository",
        )
    commit = git(folder, "rev-parse", "--verify", "--quiet", "HEAD^{commit}", missing="").strip()
    if not commit:
        raise TallyError(f"the git repository {top} has no commit yet", hint="commit what is to be built")
    return Path(top), commit


def changes(repository: Path, path: str) -> tuple[str, ...]:
    """Files below `path` that differ from the commit checked out, new ones too; ignored ones not."""
    said = git(repository, "status", "--porcelain=v1", "-z", "--untracked-files=all", "--", _pathspec(path))
    return tuple(entry[3:] for entry in said.split("\0") if entry[2:3] == " ")


def copy_working_tree(repository: Path, path: str, folder: Path) -> None:
    """Copy the files below `path` as they lie there, but ignored ones, into an empty folder."""
    said = git(
        repository, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", _pathspec(path)
    )
    top = repository / path if path else repository
    for name in sorted(set(said.split("\0")) - {""}):
        origin = repository / name
        if not os.path.lexists(origin):
            continue  # deleted since the commit
        if origin.is_dir() and not origin.is_symlink():
            raise TallyError(
                f"{name} is a git repository of its own", hint="a path source cannot hold another repository"
            )
        target = folder / origin.relative_to(top)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(origin, target, follow_symlinks=False)


def git(folder: Path, *arguments: str, missing: str | None = None) -> str:
    """What a git command prints. Raises TallyError when git fails, or gives `missing` if that is given."""
    try:
        done = subprocess.run(
            _command(folder, *arguments),
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT,
        )
    except FileNotFoundError as error:
        raise _no_git() from error
    except subprocess.TimeoutExpired as error:
        raise TallyError(f"git {arguments[0]} gave no answer in {_TIMEOUT:.0f} s") from error
    if done.returncode != 0:
        if missing is not None and b"dubious ownership" not in done.stderr:
            return missing
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() or [
            f"exit status {done.returncode}"
        ]
        raise TallyError(f"git {arguments[0]} failed: {said[0]}")
    return os.fsdecode(done.stdout)


def _listed(repository: Path, commit: str, path: str) -> Iterator[_File]:
    tree = git(repository, "rev-parse", "--verify", "--quiet", f"{commit}:{path}", missing="").strip()
    if not tree or git(repository, "cat-file", "-t", tree).strip() != "tree":
        raise TallyError(f"the commit {commit[:12]} has no folder {path!r}", hint="a path source is a folder")
    said = os.fsencode(git(repository, "ls-tree", "-r", "-z", "--full-tree", tree))
    for entry in said.split(b"\0"):
        if not entry:
            continue
        description, _, name = entry.partition(b"\t")
        mode, kind, blob = description.decode().split(" ")
        if kind != "blob":
            raise TallyError(
                f"{os.fsdecode(name)} is a submodule, which cannot be part of a source",
                hint="give the submodule's repository as a source of its own",
            )
        if any(part in (b"", b".", b"..", b".git") for part in name.split(b"/")):
            raise TallyError(f"the tree holds a file with the unsafe name {os.fsdecode(name)!r}")
        yield _File(mode, blob, name)


def _write(stream: IO[bytes], file: _File, folder: bytes) -> None:
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


def _pathspec(path: str) -> str:
    return f":(top,literal){path}" if path else ":(top)"


def _command(folder: Path, *arguments: str) -> Sequence[str]:
    return [
        "git",
        "-C",
        str(folder),
        "-c",
        "core.fsmonitor=false",
        "-c",
        "protocol.ext.allow=never",
        *arguments,
    ]


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not _FOREIGN.fullmatch(name)}
    return kept | {
        "LC_ALL": "C.UTF-8",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        # a commit is what its id says, whatever this clone would rather see in its place
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_GRAFT_FILE": "/dev/null",
    }


def _no_git() -> TallyError:
    return TallyError(
        "git is not here, and a source needs it", hint="install git, e.g. `apt-get install git`"
    )
