"""What a lock takes from elsewhere than an index: what is the project's own, and what is refused. Pure."""

from __future__ import annotations

from orchestrator.dependencies.dependency import BadLock
from orchestrator.dependencies.tomlfile import Table


def refuse_outside(package: Table, name: str, path: str) -> None:
    """Raises BadLock for a path that leads out of the repository."""
    if path.startswith(("/", "~")) or ".." in path.split("/") or "\\" in path:
        raise package.bad(
            f"{name} lies outside of the repository: {path}",
            "a build has the source's own files alone: move it into the repository, or publish it",
        )


def own_file(package: Table, name: str, path: str) -> BadLock:
    """The error for a file of the repository, or of one that lies outside of it."""
    try:
        refuse_outside(package, name, path)
    except BadLock as error:
        return error
    return package.bad(
        f"{name} is a file of the repository itself: {path}",
        "install it in the script from the source, or lock it from an index",
    )


def out_of_git(package: Table, name: str, commit: str | None) -> BadLock:
    """The error for what comes from a repository: a lock of Python's has no digest of a tree."""
    pinned = f"its commit {commit[:12]} tells no digest of its files" if commit else "a branch can move"
    return package.bad(
        f"{name} comes from a repository, and {pinned}",
        "give it as a source of the recipe: [sources.NAME] with git, rev and nar_sha256",
    )
