"""What a lock takes from elsewhere than an index: the project's own, and out of repositories. Pure."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from orchestrator.dependencies.dependency import CommitTree, Inside
from orchestrator.dependencies.tomlfile import Table
from orchestrator.ground.addresses import has_secret
from orchestrator.ground.digest import OtherDigest, Sha256

_FOLDER: Final = re.compile(r"[A-Za-z0-9_.+@~-]+(/[A-Za-z0-9_.+@~-]+)*")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def refuse_outside(package: Table, name: str, path: str) -> None:
    """Raises BadLock for a path that leads out of the repository."""
    if path.startswith(("/", "~")) or ".." in path.split("/") or "\\" in path:
        raise package.bad(
            f"{name} lies outside of the repository: {path}",
            "a build has the source's own files alone: move it into the repository, or publish it",
        )


def own_file(package: Table, name: str, path: str, digest: Sha256 | OtherDigest) -> Inside:
    """A file of the repository. Raises BadLock for one that lies outside of it."""
    refuse_outside(package, name, path)
    return Inside(name, package.text("version"), path.removeprefix("./"), digest, package.line)


def part_of(package: Table, name: str, told: object) -> str | None:
    """The folder of a tree that a package is; None: all of it. Raises BadLock for none."""
    if told in (None, "", "."):
        return None
    path = told.strip("/").removeprefix("./") if isinstance(told, str) else ""
    if not _FOLDER.fullmatch(path) or ".." in path.split("/"):
        raise package.bad(f"{name} is a part of a repository that is no folder: {str(told)[:80]!r}")
    return path


def tree_of(package: Table, name: str, address: str, commit: str | None) -> CommitTree:
    """What comes from a repository, by its commit. Raises BadLock for a branch, which can move."""
    if commit is None or not _COMMIT.fullmatch(commit):
        raise package.bad(
            f"{name} comes from a repository, and no whole commit of it is told: a branch can move",
            "have the lock written again: it then has the commit",
        )
    address = address.removeprefix("git+")
    try:
        parts = urlsplit(address)
        secret = has_secret(address)
        known = parts.scheme in ("https", "http", "ssh", "git", "file") and (parts.hostname or parts.path)
    except ValueError:
        secret, known = False, False
    if secret:
        raise package.bad(
            f"the address of {name} has a user, a password or a token, which would be in every release",
            "take them out of the lock, and let git's own credentials or .netrc have them",
        )
    if not known or not address.isprintable() or " " in address:
        raise package.bad(
            f"{address[:100]!r} is no address of a repository", "write it with https:// or ssh://"
        )
    return CommitTree(address, commit)
