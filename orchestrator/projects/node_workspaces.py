"""A Node package among others of its repository: the workspace that installs, builds and packs it. Pure."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from orchestrator.dependencies import yamlfile
from orchestrator.dependencies.dependency import BadLock
from orchestrator.dependencies.node.manifests import chosen, workspaces
from orchestrator.ground.wording import some
from orchestrator.projects.node_managers import LOCKS, manager
from orchestrator.projects.node_manifest import (
    ASKED,
    MANIFEST,
    SHIPPED,
    asked,
    document,
    has_script,
    lacking,
)
from orchestrator.projects.tree import Tree

_WORKSPACES: Final = "pnpm-workspace.yaml"
_WRITTEN: Final = re.compile(r"(workspace|catalog):")
"""Ranges that pnpm and yarn write again as they pack, and npm does not."""
_LEFT: Final = re.compile(r"(link|portal):")
"""Ranges that all leave as they are."""
_SHOWN: Final = 3
_MOST: Final = 1_000
"""Folders whose package.json is read."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where a package is installed, built and packed."""

    top: Tree
    folder: str
    """The package's, from there; `.` for the top itself."""

    def before(self, said: Mapping[str, Any]) -> list[str]:
        """Folders of members that a package is built with, each behind those that it is built with itself."""
        is_member = _is_member(self.top)
        members = {
            str(told.get("name")): (folder, told) for folder, told in _packages(self.top) if is_member(folder)
        }

        def needed(told: Mapping[str, Any]) -> Iterator[str]:
            return (name for name in asked(told, ASKED) if name in members)

        own = str(said.get("name"))
        seen, order, waiting = {own}, list[str](), [(own, needed(said))]
        while waiting:
            name, rest = waiting[-1]
            below = next(rest, None)
            if below is None:
                order.append(name)
                waiting.pop()
            elif below not in seen:
                seen.add(below)
                waiting.append((below, needed(members[below][1])))
        return [members[name][0] for name in order[:-1] if has_script(members[name][1], "build")]


def workspace(tree: Tree, said: Mapping[str, Any]) -> Workspace | None:
    """The one that a package is packed in; None: it is packed by itself. Raises ValueError: it cannot be."""
    wanted = asked(said, SHIPPED)
    for name, asks in wanted.items():
        if _LEFT.match(asks):
            raise ValueError(
                f"{MANIFEST} asks for {name} by {asks}, which stays as it is in what is packed: "
                "nobody could install that"
            )
    found = _found(tree)
    if written := [f"{name} by {asks}" for name, asks in wanted.items() if _WRITTEN.match(asks)]:
        if found is not None and manager(found.top, document(found.top)).pack is not None:
            return found
        where = "there is none" if found is None else f"{_place(tree, found.top)} is of another"
        raise ValueError(
            f"{MANIFEST} asks for {some(written, _SHOWN)}, which pnpm, or yarn 2 or later, writes as a "
            f"version by the lock of the workspace: {where}"
        )
    builds = has_script(said, "build")
    above = next((top for top in tree.above if top.first(LOCKS) is not None), None)
    if found is None and above is not None and builds and asked(said, ASKED):
        raise ValueError(
            f"{MANIFEST} has a script `build` and names dependencies, and no lock pins them: "
            f"{_place(tree, above)} is of a workspace that this folder is no part of"
        )
    return found if found is not None and found.folder != "." and builds else None


def remarks(tree: Tree, said: Mapping[str, Any]) -> Iterator[str]:
    """What to know of a package.json at the top of a workspace."""
    if said.get("workspaces") or tree.has(_WORKSPACES):
        found = [folder for folder, told in _packages(tree) if not lacking(told)]
        see = f": see `tally init {shlex.quote(found[0])}`" if found else ""
        below = some(found, _SHOWN) if found else "no package below"
        yield f"{MANIFEST} is of a workspace, with {below}{see}"


def members(tree: Tree) -> tuple[str, ...]:
    """Folders of the packages of a workspace whose top is none itself: private, or for tools alone."""
    said = document(tree)
    if not lacking(said) and said.get("private") is not True:
        return ()
    is_member = _is_member(tree)
    return tuple(folder for folder, told in _packages(tree) if is_member(folder) and not lacking(told))


def unseen(tree: Tree) -> Iterator[str]:
    """Why a package.json is not taken for a package."""
    said = document(tree)
    if tree.has(MANIFEST) and (missing := lacking(said)):
        yield f"{MANIFEST} has no {' and no '.join(missing)}, so that it is no package by itself"
        yield from remarks(tree, said)


def _found(tree: Tree) -> Workspace | None:
    """The nearest folder with a lock that is of this package, too."""
    if tree.first(LOCKS) is not None:
        return Workspace(tree, ".")
    for top in tree.above:
        folder = posixpath.relpath(tree.path, top.path)
        if top.first(LOCKS) is not None and _is_member(top)(folder):
            return Workspace(top, folder)
    return None


def _place(tree: Tree, top: Tree) -> str:
    """The lock of an upper folder, as a path from the project's own."""
    return posixpath.relpath(posixpath.join(top.path, str(top.first(LOCKS))), tree.path)


def _is_member(top: Tree) -> Callable[[str], bool]:
    """Whether a folder is of the workspace: by pnpm's file, else by package.json."""
    text = top.read(_WORKSPACES)
    if text is None:
        return chosen(workspaces(document(top)))
    try:
        told = yamlfile.read(text.encode(), _WORKSPACES, "").values.get("packages")
    except BadLock:
        told = None
    return chosen(each for each in told if isinstance(each, str)) if isinstance(told, list) else chosen(())


def _packages(tree: Tree) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Folders below with a package.json, and what that says."""
    for path in tree.called(MANIFEST)[:_MOST]:
        folder = posixpath.dirname(path)
        if folder and "node_modules" not in folder.split("/"):
            yield folder, document(tree, path)
