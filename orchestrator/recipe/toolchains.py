"""What recipes are built with, by the lock's pins: for the evidence. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.recipe.lock import Lock
from orchestrator.recipe.recipe import Recipe

_NIXPKGS = ("rev", "narHash")


def toolchains_of(recipe: Recipe, recipes: Mapping[str, Recipe], lock: Lock) -> tuple[Mapping[str, str], ...]:
    """The toolchains of a recipe and of those that it uses, each once: docs/predicates/build.md."""
    found: dict[str, Mapping[str, str]] = {}
    queue, seen = [recipe], {recipe.name}
    while queue:
        one = queue.pop()
        pins = _pins(one, lock)
        found[" ".join(pins.values())] = pins
        new = [name for name in one.inputs if name not in seen]
        seen.update(new)
        queue += [recipes[name] for name in new]
    return tuple(found[name] for name in sorted(found))


def _pins(recipe: Recipe, lock: Lock) -> Mapping[str, str]:
    toolchain = recipe.toolchain.from_
    if recipe.toolchain.image is not None:
        return {"from": toolchain, "image": recipe.toolchain.image}
    if recipe.toolchain.is_debians:
        suite = recipe.toolchain.debian or lock.debian
        more = {name: "true" if value is True else value for name, value in suite.pins.items()}
        return {"from": toolchain, "suite": suite.name, **more}
    node = lock.nixpkgs.model_dump(mode="json") if lock.nixpkgs is not None else {}
    return {"from": toolchain} | {name: str(node[name]) for name in _NIXPKGS if name in node}
