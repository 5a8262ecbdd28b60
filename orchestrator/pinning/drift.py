"""What a lock must hold for its recipes, and where it does not. Pure but for reading `flake.lock`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError

from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import contents, without_mark
from orchestrator.pinning import flakelock
from orchestrator.pinning.debian import BASE
from orchestrator.pinning.machine import machine_packages
from orchestrator.pinning.pythons import key_of
from orchestrator.pinning.request import misfit
from orchestrator.recipe.lock import Lock, NixpkgsPin
from orchestrator.recipe.part import System
from orchestrator.recipe.recipe import PathSource, Recipe, UrlSource
from orchestrator.recipe.suites import Suite
from orchestrator.sources.mirrors import Mirrors

_LARGEST = 16 << 20  # bytes of a flake.lock; nixpkgs' own takes a kilobyte
SetKey = tuple[System, Suite, tuple[str, ...]]
"""System, suite, and the sorted list of packages that recipes ask for."""


def needed_sets(recipes: Mapping[str, Recipe], usual: Suite) -> Mapping[SetKey, tuple[str, ...]]:
    """Each distinct Debian set that the recipes need, with the names of those that need it.

    `usual` is the suite of recipes that name none.
    """
    found: dict[SetKey, tuple[str, ...]] = {}
    for name, recipe in sorted(recipes.items()):
        if recipe.toolchain.is_debians:
            for system in recipe.systems:
                key = (system, recipe.toolchain.debian or usual, tuple(sorted(recipe.toolchain.packages)))
                found[key] = (*found.get(key, ()), name)
    return dict(sorted(found.items()))


def drift(
    recipes: Mapping[str, Recipe], lock: Lock, flake_lock: Path, usual: Suite | None = None
) -> Iterator[str]:
    """One sentence for each place where lock and recipes do not fit; none when they do.

    `usual` is the suite that tally.toml names, if it names one.
    """
    if usual not in (None, lock.debian):
        yield f"recipes without a suite are locked for Debian {lock.debian}, and tally.toml says {usual}"
    yield from _sets(recipes, lock)
    yield from _machines(lock)
    yield from _containers(recipes, lock)
    yield from _sources(recipes, lock)
    wanted = nixpkgs_node(recipes, flake_lock)
    if wanted != lock.nixpkgs:
        yield "nixpkgs: " + (
            "no recipe uses it" if wanted is None else f"the lock and {flake_lock.name} pin different ones"
        )


def refuse_unknown_mirrors(recipes: Mapping[str, Recipe], mirrors: Mirrors) -> None:
    """Raises TallyError for a source that no known mirror has, whether or not its bytes are here already."""
    for name, recipe in sorted(recipes.items()):
        for key, source in sorted(recipe.named_sources.items()):
            if isinstance(source, UrlSource):
                try:
                    mirrors.refuse_unknown(source.url)
                except TallyError as error:
                    raise TallyError(f"{name}: source {key}: {error.message}", hint=error.hint) from error


def _sets(recipes: Mapping[str, Recipe], lock: Lock) -> Iterator[str]:
    needed = needed_sets(recipes, lock.debian)
    held = {(found.system, lock.suite_of(found), found.request): found for found in lock.set}
    for key, users in needed.items():
        if key not in held:
            yield f"{', '.join(users)}: not locked for {_packages(key, lock)}"
        elif held[key].base != BASE:
            yield f"{', '.join(users)}: locked for {key[0]} with another base set"
    for key in sorted(held.keys() - needed.keys()):
        yield f"no recipe asks for what is locked for {_packages(key, lock)}"
    for system in sorted({key[0] for key in needed}):
        if lock.busybox_for(system) is None:
            yield f"no busybox is locked for {system}"
    for file in sorted(lock.packages.keys() - lock.used):
        yield f"{file} is locked and belongs to no set"


def needed_containers(recipes: Mapping[str, Recipe]) -> Mapping[tuple[str, System], tuple[str, ...]]:
    """Each distinct image and system that the recipes need, with the names of those that need it."""
    found: dict[tuple[str, System], tuple[str, ...]] = {}
    for name, recipe in sorted(recipes.items()):
        for system in recipe.systems if recipe.toolchain.image is not None else ():
            key = (str(recipe.toolchain.image), system)
            found[key] = (*found.get(key, ()), name)
    return dict(sorted(found.items()))


def _containers(recipes: Mapping[str, Recipe], lock: Lock) -> Iterator[str]:
    needed = needed_containers(recipes)
    for (image, system), users in needed.items():
        if lock.container_for(image, system) is None:
            yield f"{', '.join(users)}: not locked for {system}: the image {image}"
    for each in lock.container:
        if (each.image, each.system) not in needed:
            yield f"no recipe asks for what is locked for {each.system}: the image {each.image}"


def _machines(lock: Lock) -> Iterator[str]:
    for machine in lock.machine:
        if machine.request != machine_packages(machine.system):
            yield f"the virtual machine for {machine.system} is locked from another list of packages"
        elif machine.base != BASE:
            yield f"the virtual machine for {machine.system} is locked with another base set"


def _packages(key: SetKey, lock: Lock) -> str:
    system, suite, request = key
    where = system if suite == lock.debian else f"{system} in Debian {suite}"
    return f"{where}: " + (f"the packages {', '.join(request)}" if request else "the base packages alone")


def _sources(recipes: Mapping[str, Recipe], lock: Lock) -> Iterator[str]:
    for name, recipe in sorted(recipes.items()):
        pins = lock.source.get(name, {})
        outside = {
            key: source for key, source in recipe.named_sources.items() if not isinstance(source, PathSource)
        }
        for key, source in sorted(outside.items()):
            if problem := misfit(source, pins.get(key)):
                yield f"{name}: source {key}: {problem}"
        for key in sorted(pins.keys() - outside.keys()):
            yield f"{name}: source {key} is locked and not in the recipe"
    for name, told in sorted(lock.told.items()):
        named = (
            {key_of(recipes[name], part) for part in recipes[name].dependencies} if name in recipes else set()
        )
        for key in sorted(told.keys() - named):
            yield f"{name}: what {key} does not say is locked, and the recipe does not name it"
    for name in sorted(lock.source.keys() - recipes.keys()):
        yield f"{name}: its sources are locked and there is no such recipe"


def nixpkgs_node(recipes: Mapping[str, Recipe], flake_lock: Path) -> NixpkgsPin | None:
    """The locked node of nixpkgs in `flake.lock` if a recipe uses it. Raises TallyError when it is absent."""
    users = sorted(name for name, recipe in recipes.items() if recipe.toolchain.from_ == "nixpkgs")
    if not users:
        return None
    try:
        content = flakelock.parse(without_mark(contents(flake_lock, _LARGEST)))
        nodes = content["nodes"]
        node = nodes[nodes[content["root"]]["inputs"]["nixpkgs"]]["locked"]
        return NixpkgsPin.model_validate(node)
    except FileNotFoundError as error:
        raise TallyError(
            f"recipe {users[0]} takes its tools from nixpkgs, and there is no {flake_lock}",
            hint=f"pin nixpkgs with `{flakelock.WRITE}`",
        ) from error
    except OSError as error:
        raise TallyError(f"cannot read {flake_lock}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise TallyError(
            f"{flake_lock} has no locked input called nixpkgs", hint=f"pin nixpkgs with `{flakelock.WRITE}`"
        ) from error
