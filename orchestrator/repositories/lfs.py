"""Files that git-lfs keeps elsewhere: a tree has pointers in their place (git-lfs specification, version 1).

A pointer that is built in its file's place makes a release that agrees and holds nothing: it is refused
unless a recipe says what to do.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import contents
from orchestrator.repositories.git import git

LARGEST_POINTER = 1024  # bytes
_SHOWN = 5
_BEGINNINGS = (
    b"version https://git-lfs.github.com/spec/v1\n",
    b"version https://hawser.github.com/spec/v1\n",
    b"version http://git-media.io/v/2\n",
)
"""The last two are of its alpha releases; git-lfs still takes them for pointers (lfs/pointer.go)."""
_SHORTEST = min(map(len, _BEGINNINGS))
_OBJECT = re.compile(rb"^oid sha256:([0-9a-f]{64})$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Pointer:
    """What stands for a file."""

    path: str
    sha256: str


def pointers(folder: Path) -> tuple[Pointer, ...]:
    """Every pointer in a tree, sorted by path."""
    found = []
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            status = path.lstat()
            if not stat.S_ISREG(status.st_mode) or not _SHORTEST < status.st_size <= LARGEST_POINTER:
                continue
            if named := pointed_to(contents(path, LARGEST_POINTER)):
                found.append(Pointer(str(path.relative_to(folder)), named))
    return tuple(sorted(found, key=lambda each: each.path))


def pointed_to(data: bytes) -> str | None:
    """The sha256 of the file that a pointer stands for; None for what is no pointer."""
    if len(data) > LARGEST_POINTER or not data.startswith(_BEGINNINGS):
        return None
    named = _OBJECT.search(data)
    return None if named is None else named[1].decode()


def refuse_pointers(folder: Path, what: str) -> None:
    """Raises TallyError naming the files of a tree that are pointers; `what` names the tree."""
    if found := pointers(folder):
        error = refusal(found)
        raise TallyError(f"{what}: {error.message}", hint=error.hint)


def refusal(found: tuple[Pointer, ...]) -> TallyError:
    """The error for a tree with pointers of which the recipe says nothing."""
    shown = ", ".join(each.path for each in found[:_SHOWN])
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return TallyError(
        f"git-lfs keeps the content of {shown}{more} elsewhere: the commit has pointers in their place",
        hint="in the recipe's source, lfs = true fetches the files, lfs = false builds with the pointers",
    )


def fetched(repository: Path, address: str, rev: str) -> Path:
    """Fetch a commit's large files by git-lfs itself; the folder of the objects. Raises TallyError."""
    if shutil.which("git-lfs") is None:
        raise TallyError(
            "git-lfs is not here, and lfs = true needs it", hint="install it, e.g. `apt-get install git-lfs`"
        )
    git(repository, "update-ref", "--no-deref", "HEAD", rev)  # it looks there for .lfsconfig
    git(repository, "lfs", "fetch", address, rev, fetching=True)
    return repository / ".git/lfs/objects"


def local(repository: Path) -> Path:
    """The folder of the objects that a clone has."""
    common = git(repository, "rev-parse", "--git-common-dir").removesuffix("\n")
    return repository / common / "lfs/objects"


def fill(folder: Path, found: tuple[Pointer, ...], objects: Path) -> None:
    """Put the files in their pointers' places, modes as they are. Raises TallyError for one not there."""
    places: Mapping[str, Path] = {
        each.path: objects / each.sha256[:2] / each.sha256[2:4] / each.sha256 for each in found
    }
    absent = [path for path, place in places.items() if not place.is_file()]
    if absent:
        raise TallyError(
            f"the content of {', '.join(absent[:_SHOWN])} is not among the objects of git-lfs",
            hint="fetch it with `git lfs fetch`",
        )
    for each in found:
        if Sha256.of_file(places[each.path]).hex != each.sha256:
            raise TallyError(f"git-lfs has other content for {each.path} than its pointer says")
        shutil.copyfile(places[each.path], folder / each.path)
