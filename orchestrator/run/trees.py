"""The trees of nixpkgs that recipes are evaluated with: each fixed by its NAR hash, as a source is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from orchestrator.ground.digest import NarHash, NotSha256, hexadecimal
from orchestrator.ground.errors import TallyError
from orchestrator.nix.storepath import fixed_path
from orchestrator.recipe.wanted import Wanted
from orchestrator.run.workshop import Workshop
from orchestrator.sources.folder import Sources
from orchestrator.sources.mirrors import Mirrors
from orchestrator.sources.supply import Located, Supply

NAME: Final = "source"
"""What Nix calls every tree that it fetches."""
_MEMBER: Final = "nixpkgs"
_COMMIT: Final = ("owner", "repo", "rev")


@dataclass(frozen=True)
class Trees:
    """Where trees are on this machine, by their narHash as flake.lock has it."""

    places: Mapping[str, Path] = field(default_factory=dict)
    located: tuple[Located, ...] = ()
    """Those that a supply had."""
    lacking: tuple[str, ...] = ()
    """Why others could not be had: what Nix has to fetch by itself."""

    def at(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """The request, in which a tree that is here is at its place: nothing else comes of it."""
        if not self.places:
            return request
        recipes = {name: self._placed(recipe) for name, recipe in request["recipes"].items()}
        return {**request, "recipes": recipes}

    def _placed(self, recipe: Mapping[str, Any]) -> Mapping[str, Any]:
        toolchain = recipe.get("toolchain")
        node = toolchain.get(_MEMBER) if isinstance(toolchain, dict) else None
        place = self.places.get(str(node.get("narHash"))) if isinstance(node, dict) else None
        if place is None or not isinstance(toolchain, dict) or not isinstance(node, dict):
            return recipe
        here = {"type": "path", "path": str(place), "narHash": node["narHash"]}
        return {**recipe, "toolchain": {**toolchain, _MEMBER: here}}


def pinned(request: Mapping[str, Any]) -> Mapping[str, tuple[NarHash, Mapping[str, Any]]]:
    """Each tree that a request names, by its narHash: the digest, and its node. What is no digest is none."""
    return dict(_pinned(request))


def _pinned(request: Mapping[str, Any]) -> Iterator[tuple[str, tuple[NarHash, Mapping[str, Any]]]]:
    recipes = request.get("recipes")
    for recipe in recipes.values() if isinstance(recipes, dict) else ():
        toolchain = recipe.get("toolchain") if isinstance(recipe, dict) else None
        node = toolchain.get(_MEMBER) if isinstance(toolchain, dict) else None
        said = node.get("narHash") if isinstance(node, dict) else None
        if isinstance(said, str) and isinstance(node, dict):
            try:
                yield said, (NarHash(hexadecimal(said)), node)
            except NotSha256:  # Nix says what is wrong with it
                continue


def path_of(tree: NarHash) -> str:
    """Where every store has it."""
    return fixed_path(NAME, "sha256", tree.hex, recursive=True)


def address_of(node: Mapping[str, Any]) -> str | None:
    """What a tree of a forge's is called; None: it is at a place that others do not have."""
    if not all(isinstance(node.get(each), str) for each in _COMMIT):
        return None
    return f"{node.get('type')}:{'/'.join(node[each] for each in _COMMIT)}"


def brought(workshop: Workshop, request: Mapping[str, Any], supplies: Sequence[Supply]) -> Trees:
    """Each tree that is in our store, or that a supply has, by its digest: whoever has it is not believed."""
    sources = Sources(workshop.state.folder("sources"), Mirrors({}), supplies=supplies)
    places: dict[str, Path] = {}
    lacking: list[str] = []
    for said, (tree, _) in pinned(request).items():
        path = path_of(tree)
        if not workshop.store.invalid([path]):
            places[said] = workshop.store.physical(path)
            continue
        wanted = Wanted(NAME, tree, ())
        if not supplies and sources.missing([wanted]):
            continue
        try:
            places[said] = sources.fetch(wanted)
        except TallyError as error:
            lacking.append(error.message)
    return Trees(places, sources.located, tuple(lacking))
