"""From a tree to a sketch of its recipe: which build system it has, and what that says. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from orchestrator.dependencies.formats import ecosystem_of
from orchestrator.projects import (
    autotools,
    cargo,
    cmake,
    golang,
    makefile,
    meson,
    node,
    node_workspaces,
    perl,
    python,
    python_claims,
)
from orchestrator.projects.control import build_depends
from orchestrator.projects.guess import FLAKE, Claims, Identity, Sketch, Way, distinct
from orchestrator.projects.identity import identity
from orchestrator.projects.tree import Tree

_NAME: Final = re.compile(r"[A-Za-z0-9+._-]{1,200}")
"""What an artifact can be called; another file is in an archive."""
_FILL_IN: Final = """\
# FILL IN: the commands that build it and put what users get into $out
echo "this recipe has no build script yet" >&2
false
"""


@dataclass(frozen=True, slots=True)
class Kind:
    """A build system."""

    name: str
    seen: Callable[[Tree], str | None]
    """The file by which a project has it; None: it has not."""
    claims: Callable[[Tree], Claims]
    way: Callable[[Tree, Identity], Way]


KINDS: Final = (
    Kind("cargo", cargo.seen, cargo.claims, cargo.way),
    Kind("go", golang.seen, golang.claims, golang.way),
    Kind("python", python.seen, python_claims.claims, python.way),
    Kind("perl", perl.seen, perl.claims, perl.way),
    Kind("configure", autotools.made, autotools.claims, autotools.way),
    Kind("meson", meson.seen, meson.claims, meson.way),
    Kind("cmake", cmake.seen, cmake.claims, cmake.way),
    Kind("autoconf", autotools.source, autotools.claims, autotools.way),
    Kind("npm", node.seen, node.claims, node.way),
    Kind("make", makefile.seen, makefile.claims, makefile.way),
)
"""In the order in which the first that a project has is taken."""


def sketch(tree: Tree, answers: Mapping[str, str], kind: str | None = None) -> Sketch:
    """The recipe's contents; with `kind`, by that build system. Raises KeyError: the project has not that."""
    present = [(each, seen) for each in KINDS if (seen := each.seen(tree))]
    if kind is not None:
        present.sort(key=lambda each: each[0].name != kind)
        if not present or present[0][0].name != kind:
            raise KeyError(kind)
    claims = Claims()
    for each, _ in present:
        claims = claims.over(each.claims(tree))
    known = identity(tree, claims, answers)
    if not present and tree.has("flake.nix"):
        return Sketch(FLAKE, "flake.nix", (), known, Way((), ""))
    by_npm = kind is None and all(each.name == "npm" for each, _ in present)
    if by_npm and (members := node_workspaces.members(tree)):
        return Sketch(None, None, (), known, Way((), _FILL_IN, remarks=_no_package(tree)), members)
    if not present:
        unseen = (*node_workspaces.unseen(tree), *python.unseen(tree), *known.remarks)
        return Sketch(None, None, (), known, Way((), _FILL_IN, remarks=unseen))
    taken, seen = present[0]
    way = taken.way(tree, known)
    way = replace(way, packages=distinct([*way.packages, *build_depends(tree)]))
    if way.path is not None and not _NAME.fullmatch(way.path):
        way = replace(way, path=None)
    way = _followed(way)
    way = replace(way, remarks=(*way.remarks, *known.remarks))
    if tree.has("flake.nix"):
        said = "flake.nix is there: `tally build .#NAME` builds its packages, without a recipe"
        way = replace(way, remarks=(*way.remarks, said))
    others = [(each.name, at) for each, at in present[1:] if at != seen]
    return Sketch(taken.name, seen, tuple(others), known, way)


def _no_package(tree: Tree) -> tuple[str, ...]:
    """Why a workspace's top is not packed."""
    if node.seen(tree) is None:
        return tuple(node_workspaces.unseen(tree))
    said = "package.json is private, and of a workspace: `tally init --by npm` packs it all the same"
    return (said,)


def _followed(way: Way) -> Way:
    """Lock files that are read here are the dependency list; of others it is said that they are not."""
    remarks = [
        f"dependencies are not taken from {lock}: files of that kind are not read yet"
        for lock in way.locks
        if ecosystem_of(lock) is None
    ]
    return replace(
        way,
        locks=tuple(lock for lock in way.locks if ecosystem_of(lock) is not None),
        remarks=(*way.remarks, *remarks),
    )
