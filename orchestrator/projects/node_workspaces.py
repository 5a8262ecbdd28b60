"""A Node package among others of its repository: whether `npm pack` in its folder makes a whole. Pure."""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any, Final

from orchestrator.ground.wording import some
from orchestrator.projects.node_managers import LOCKS
from orchestrator.projects.tree import Tree

MANIFEST: Final = "package.json"
FILES: Final = tuple(LOCKS)
"""What a workspace has at its top, in the order in which the first is taken."""
_ASKED: Final = ("dependencies", "optionalDependencies", "peerDependencies")
_LOCAL: Final = re.compile(r"(workspace|catalog|link|portal):")
"""Ranges that pnpm and yarn write again as they pack, and npm does not."""
_SHOWN: Final = 3
_MOST: Final = 200
"""Folders whose package.json is read."""


def unbuilt(tree: Tree, said: Mapping[str, Any]) -> str | None:
    """Why `npm pack` in this folder makes nothing that others can install; None: nothing is seen of that."""
    asks = any(said.get(kind) for kind in (*_ASKED, "devDependencies"))
    if tree.above and tree.first(LOCKS) is None and asks and has_script(said, "build"):
        return (
            f"{MANIFEST} has a script `build` and names dependencies, and their lock is {tree.above[0]}: "
            "a recipe can install what that pins only where its source is that folder"
        )
    for kind in _ASKED:
        asked = said.get(kind)
        for name, wanted in asked.items() if isinstance(asked, dict) else ():
            if isinstance(wanted, str) and _LOCAL.match(wanted):
                return (
                    f"{MANIFEST} asks for {name} by {wanted}, which `npm pack` leaves as it is: "
                    "nobody could install that"
                )
    return None


def remarks(tree: Tree, said: Mapping[str, Any]) -> Iterator[str]:
    """What to know of a package.json at the top of a workspace."""
    if said.get("workspaces") or tree.has("pnpm-workspace.yaml"):
        found = list(_members(tree))
        see = f": see `tally init {shlex.quote(found[0])}`" if found else ""
        below = some(found, _SHOWN) if found else "no package below"
        yield f"{MANIFEST} is of a workspace, with {below}{see}"


def unseen(tree: Tree) -> Iterator[str]:
    """Why a package.json is not taken for a package."""
    said = document(tree)
    if tree.has(MANIFEST) and (missing := lacking(said)):
        yield f"{MANIFEST} has no {' and no '.join(missing)}, so that it is no package by itself"
        yield from remarks(tree, said)


def lacking(said: Mapping[str, Any]) -> list[str]:
    """What a package.json does not say of what every package has; such a file serves tools alone."""
    return [key for key in ("name", "version") if not isinstance(said.get(key), str)]


def has_script(said: Mapping[str, Any], name: str) -> bool:
    """Whether a package.json has a script of this name."""
    scripts = said.get("scripts")
    return isinstance(scripts, dict) and name in scripts


def document(tree: Tree, path: str = MANIFEST) -> Mapping[str, Any]:
    """What a package.json says; nothing where it is no JSON."""
    try:
        said = json.loads(tree.read(path) or "{}")
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _members(tree: Tree) -> Iterator[str]:
    """Folders below with a package of their own."""
    for path in tree.called(MANIFEST)[:_MOST]:
        folder = posixpath.dirname(path)
        if not folder or "node_modules" in folder.split("/"):
            continue
        if not lacking(document(tree, path)):
            yield folder
