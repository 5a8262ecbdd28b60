"""What `tally lock` finds out where a project's lock file does not say all that a build needs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from orchestrator.dependencies.dependency import Ecosystem
from orchestrator.dependencies.tree import Tree
from orchestrator.pinning.lockfiles import named_by, place_of
from orchestrator.pinning.pythons import asked_of, key_of
from orchestrator.recipe.dependencies_table import DependenciesPart
from orchestrator.recipe.lock import Lock
from orchestrator.recipe.recipe import Recipe
from orchestrator.sources.folder import Sources
from orchestrator.sources.mirrors import Mirrors

Told = dict[str, dict[str, dict[str, str]]]
"""As `Lock.told`."""


def told_of(
    recipes: Mapping[str, Recipe],
    lock: Lock,
    update: Collection[str],
    folder: Path,
    mirrors: Mirrors,
    sources: Sources,
    say: Callable[[str], None],
) -> Told:
    """What lock files do not say, for recipes as `lock` pins the rest of them.

    What it has already is kept, but for recipes in `update`; `folder` is one of the repository of path
    sources. Raises TallyError.
    """
    found: Told = {}
    for recipe, part, tree in named_by(recipes, lock, folder, sources):
        known = lock.model_copy(update={"told": {}}) if recipe.name in update else lock
        if part.ecosystem is Ecosystem.PYTHON:
            told = _python(recipe, part, tree.read, known, mirrors, sources, say)
        else:
            told = _undigested(recipe, part, tree, known, sources, say)
        if told:
            found.setdefault(recipe.name, {})[key_of(recipe, part)] = told
    return found


def _undigested(
    recipe: Recipe,
    part: DependenciesPart,
    tree: Tree,
    lock: Lock,
    sources: Sources,
    say: Callable[[str], None],
) -> dict[str, str]:
    from orchestrator.dependencies import formats
    from orchestrator.pinning import hashpins, treepins

    known = lock.told.get(recipe.name, {}).get(key_of(recipe, part), {})
    place = place_of(recipe, part)
    found: dict[str, str] = {}
    for system in recipe.systems:
        locked = formats.read(part.ecosystem, tree, part.lock, place, system)
        for pins in (hashpins, treepins):
            found |= pins.pinned(locked.dependencies, {**known, **found}, sources, place, say)
    return found


def _python(
    recipe: Recipe,
    part: DependenciesPart,
    read: Callable[[str], bytes | None],
    lock: Lock,
    mirrors: Mirrors,
    sources: Sources,
    say: Callable[[str], None],
) -> dict[str, str]:
    from orchestrator.dependencies.python import reading
    from orchestrator.pinning import treepins
    from orchestrator.sources.pyfiles import names_of, refuse_other_indexes
    from orchestrator.sources.pyindex import Index

    index = Index(mirrors, sources.downloader)
    place = place_of(recipe, part)
    found: dict[str, str] = {}
    for system in recipe.systems:
        asked = asked_of(recipe, part, lock, system)
        said = reading.unnamed(read, part.lock, place, asked)
        if said is None:
            locked = reading.read(read, part.lock, place, asked)
            found |= treepins.pinned(locked.dependencies, {**asked.names, **found}, sources, place, say)
        else:
            refuse_other_indexes(said, place, mirrors)
            found |= names_of(said, place, asked, index, sources.downloader.stop, say)
    return found
