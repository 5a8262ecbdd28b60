"""One commit of a repository in another of our own, for a program whose git obeys what it finds there.

`git archive`, by which Nix 2.8 takes a flake's files, obeys `.git/info/attributes`, filters, line-end
settings, `refs/replace`, and in `export-subst` the names of tags. So Nix is given a repository without any of
them: the commit and its history are lent to it (gitrepository-layout(5), `objects/info/alternates`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from orchestrator.ground.files import contents, write_scratch
from orchestrator.repositories.git import git

ENVIRONMENT: Final = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": "/dev/null",
}
"""What git has to run with, so that nothing of this machine's is obeyed."""

# what the committed .gitattributes would change is not changed either: later versions of Nix take the bytes
_ATTRIBUTES: Final = "* !text !eol !crlf !ident !filter !working-tree-encoding !export-ignore !export-subst\n"
_CONFIG: Final = """\
[core]
\trepositoryformatversion = {version}
\tbare = false
\tautocrlf = false
\tattributesFile = /dev/null
\thooksPath = /dev/null
\tfsmonitor = false
\tcommitGraph = false
"""
_SHA256: Final = "[extensions]\n\tobjectFormat = sha256\n"
_LARGEST: Final = 64 << 20  # bytes, of commits where a shallow clone's history ends
_BRANCH: Final = "refs/heads/commit"


def lend(top: Path, commit: str, folder: Path) -> None:
    """Make `folder`, a repository without a working tree, whose one branch is a commit of the one at `top`.

    It is of use for as long as that one is there.
    """
    own = folder / ".git"
    for name in ("objects/info", "objects/pack", "refs/heads", "info"):
        (own / name).mkdir(parents=True)
    is_sha256 = len(commit) == 64
    write_scratch(own / "config", _CONFIG.format(version=int(is_sha256)) + (_SHA256 if is_sha256 else ""))
    write_scratch(own / "info/attributes", _ATTRIBUTES)
    write_scratch(own / "objects/info/alternates", f"{_inside(top, 'objects')}\n")
    shallow = _inside(top, "shallow")  # where the history of a shallow clone ends
    if shallow.is_file():
        write_scratch(own / "shallow", contents(shallow, _LARGEST).decode("ascii"))
    write_scratch(own / _BRANCH, f"{commit}\n")
    write_scratch(own / "HEAD", f"ref: {_BRANCH}\n")


def _inside(top: Path, name: str) -> Path:
    """A file of git's own, which a worktree has in another folder."""
    return top / git(top, "rev-parse", "--git-path", name).removesuffix("\n")
