"""A project's own Cargo configuration, where it has crates taken from elsewhere than Cargo.lock says. Pure.

https://doc.rust-lang.org/cargo/reference/source-replacement.html and config.html: what stands in the project
goes before what a build's home folder has, and Cargo believes a folder of crates what its digests are.
"""

from __future__ import annotations

import posixpath
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from orchestrator.dependencies.dependency import BadLock
from orchestrator.dependencies.tree import Tree

_FOLDER: Final = ".cargo"
_NAME: Final = "config.toml"
_OLD: Final = "config"
"""The same file, as it was called before Cargo 1.39."""


def refuse_detours(tree: Tree, lock: str) -> None:
    """Raises BadLock where a configuration in the source stands in for what the lock file at `lock` pins."""
    for path, data in _files(tree, lock):
        try:
            said = tomllib.loads(data.decode("utf-8-sig"))
        except (ValueError, RecursionError):
            continue  # cargo says that it cannot be read
        for what in _detours(said):
            raise BadLock(
                path,
                None,
                f"{what} has crates built from other files than {posixpath.basename(lock)} pins",
                hint="take it out for this build, or leave the lock out of [[dependencies]]: the crates are "
                "then part of the source",
            )


def _files(tree: Tree, lock: str) -> Iterator[tuple[str, bytes]]:
    for path, data in sorted(tree.named(_NAME).items()):
        if posixpath.basename(posixpath.dirname(path)) == _FOLDER:
            yield path, data
    folder = posixpath.dirname(lock)
    while True:
        path = posixpath.join(folder, _FOLDER, _OLD)
        if (old := tree.read(path)) is not None:
            yield path, old
        if not folder:
            return
        folder = posixpath.dirname(folder)


def _detours(said: Mapping[str, Any]) -> Iterator[str]:
    for key in ("paths", "patch", "include"):
        if said.get(key):
            yield f"`{key}`"
    sources = said.get("source")
    for name, each in sources.items() if isinstance(sources, dict) else ():
        if isinstance(each, dict) and "replace-with" in each:
            yield f"`replace-with` in [source.{str(name)[:80]}]"
