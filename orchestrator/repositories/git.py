"""Running git: what its commands print, and its errors in words.

No configuration, hook or variable of the machine's may change what a commit holds: see `environment`.
No command here converts a file: `git status` and `git diff` run the filters that `.git/config` names.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from orchestrator.ground import others
from orchestrator.ground.errors import TallyError

_TIMEOUT = 900.0
_TRANSPORTS = "file:git:http:https:ssh"
# Variables by which a caller (a git hook, for one) would show git another repository or other objects.
_FOREIGN = re.compile(r"GIT_(?!SSH|SSL|HTTP|PROXY|TERMINAL).*")
_NO_REASON = ("hint:", "warning:", "From ", "Please make sure", "and the repository exists")
_REASONS = 3
_PROXY = re.compile(r"(Unsupported proxy syntax) in .*")  # which holds the beginning of a password

INSTALL = "install git, e.g. `apt-get install git`"


class BareError(TallyError):
    """A folder is a bare repository or in one, which a project's committed files can pretend to be."""


class NoGitError(TallyError):
    """Git is not installed."""


class NoRepositoryError(TallyError):
    """A folder is in no repository."""


class NoCommitError(TallyError):
    """A repository has no commit yet. `top` is its folder."""

    def __init__(self, top: Path) -> None:
        super().__init__(f"the git repository {top} has no commit yet", hint="commit what is to be built")
        self.top = top


def head(folder: Path) -> tuple[Path, str]:
    """The top folder of the repository that a folder is in, and the commit that is checked out there.

    Raises TallyError when the folder is in no repository, or that has no commit.
    """
    top = git(folder, "rev-parse", "--show-toplevel", missing="").removesuffix("\n")
    if not top:
        raise NoRepositoryError(
            f"{folder} is in no git repository",
            hint="make one with `git init`, and commit recipes, lock and what path sources name",
        )
    commit = git(folder, "rev-parse", "--verify", "--quiet", "HEAD^{commit}", missing="").strip()
    if not commit:
        if git(folder, "rev-parse", "--verify", "--quiet", "HEAD", missing=""):
            raise TallyError(f"the commit checked out in {top} cannot be read", hint="see `git fsck`")
        raise NoCommitError(Path(top))
    return Path(top), commit


def git(folder: Path, *arguments: str, missing: str | None = None, fetching: bool = False) -> str:
    """What a git command prints. Raises TallyError when git fails, or gives `missing` if that is given.

    Without `fetching` it speaks to no other repository, whatever the one in the folder is set to.
    """
    try:
        done = subprocess.run(
            command(folder, *arguments),
            env=environment(fetching=fetching),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT,
        )
    except FileNotFoundError as error:
        raise _no_git() from error
    except subprocess.TimeoutExpired as error:
        raise TallyError(f"git {arguments[0]} gave no answer in {_TIMEOUT:.0f} s") from error
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace")
        if "dubious ownership" in said:
            raise _others(folder, said)
        if "cannot use bare repository" in said:
            raise BareError(
                f"git does not look into {folder}: that is a bare git repository itself, or is in one",
                hint="keep recipes and keys in a folder without HEAD, objects and refs beside them",
            )
        if missing is not None:
            return missing
        raise TallyError(f"git {arguments[0]} failed: {_reason(said) or f'exit status {done.returncode}'}")
    return os.fsdecode(done.stdout)


def _reason(said: str) -> str:
    """Of what git wrote, what tells why it failed: its last `fatal:` line, and what led there."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    last = max(
        (number for number, line in enumerate(lines, 1) if line.startswith("fatal:")), default=len(lines)
    )
    kept = [_PROXY.sub(r"\1", line) for line in lines[:last] if not line.startswith(_NO_REASON)]
    return "; ".join(kept[-_REASONS:])


def _others(folder: Path, said: str) -> TallyError:
    found = re.search(r"repository at '(.+)'", said)
    place = found[1] if found else str(folder)
    return TallyError(
        f"git does not read {place}: it belongs to another user (dubious ownership)",
        hint=f"if you trust its owner: git config --global --add safe.directory '{place}'",
    )


def pathspec(path: str) -> str:
    """A path of the repository as git takes it, whatever characters it has."""
    return f":(top,literal){path}" if path else ":(top)"


def command(folder: Path, *arguments: str) -> Sequence[str]:
    """A git command in a folder."""
    return [
        "git",
        "-C",
        str(folder),
        "-c",
        "core.fsmonitor=false",
        "-c",
        "core.hooksPath=/dev/null",
        "-c",
        "safe.bareRepository=explicit",  # committed files could be one, set to run commands
        *arguments,
    ]


def environment(*, fetching: bool = False) -> dict[str, str]:
    """The variables that git runs with.

    Its transports run what a repository's configuration says, and a missing object would have git fetch it.
    """
    kept = {name: value for name, value in others.environment().items() if not _FOREIGN.fullmatch(name)}
    return kept | {
        "LC_ALL": "C.UTF-8",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        # a commit is what its id says, whatever this clone would rather see in its place
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_GRAFT_FILE": "/dev/null",
        "GIT_ALLOW_PROTOCOL": _TRANSPORTS if fetching else "",
    }


def _no_git() -> NoGitError:
    return NoGitError("git is not here, and a source needs it", hint=INSTALL)
