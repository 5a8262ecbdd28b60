"""From recipes and lock to a plan."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.builders import host
from orchestrator.evidence.facts import InputFile, Package
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.nix.evaluation import LIBRARY, Evaluated, evaluate
from orchestrator.pinning.depended import Depended, Dependencies, Within, depended, within
from orchestrator.pinning.lockfiles import dependencies_for
from orchestrator.pinning.request import request_for
from orchestrator.recipe import lock as locks
from orchestrator.recipe.graph import Loaded, closure, load_files
from orchestrator.recipe.portion import portion_of
from orchestrator.recipe.toolchains import toolchains_of
from orchestrator.repositories.repository import Repository, Unversioned, repository_of
from orchestrator.repositories.revision import Revision
from orchestrator.run.plan import MadeFrom, Plan, Target
from orchestrator.run.trees import Trees
from orchestrator.run.workshop import Workshop
from orchestrator.sources.folder import Sources
from orchestrator.sources.mirrors import Mirrors
from orchestrator.sources.origins import Origin, origins_of
from orchestrator.sources.pathsource import PathPins, path_pins


def planned(
    workshop: Workshop,
    files: Sequence[Path],
    *,
    allow_dirty: bool = False,
    pins: PathPins | None = None,
    dependencies: Dependencies | None = None,
    library: Path = LIBRARY,
    system: str | None = None,
    trees: Trees = Trees(),  # noqa: B008  (a value that cannot change)
) -> Plan:
    """Recipes and lock to derivations. Raises TallyError.

    No source is fetched but those with a lock file in them. `pins`: what path sources were once; else they
    are as their repository has them now. `dependencies`: what those lock files said then. `library`: what is
    evaluated with. `system`: what they are built for; None: what this machine is. `trees`: those of nixpkgs
    that are here already.
    """
    lock_file = find_lock(files)
    loaded = load_files(files)
    names, recipes = loaded.targets, {name: file.recipe for name, file in loaded.files.items()}
    lock, lock_data = locks.read_with_bytes(lock_file)
    if pins is None:
        pins = path_pins(files[0].parent, recipes, allow_dirty=allow_dirty)
    system = system or host.nix_system()
    if dependencies is None:
        needed = {name: recipes[name] for name in closure(names, recipes)}
        dependencies = dependencies_for(
            needed, lock, system, pins, files[0].parent, lambda: _sources(workshop, files[0].parent)
        )
    request = request_for(names, recipes, lock, system, pins, dependencies)
    evaluated = evaluate(workshop.store, trees.at(request), library)
    graph = workshop.store.graph([evaluated[name].artifact for name in names], any_digest=True)
    texts = {file.path: file.data for file in loaded.files.values()} | {lock_file: lock_data}
    repository = repository_of(files[0].absolute().parent, texts)
    locked = InputFile(lock_file.name, Sha256.of(lock_data))
    licences = {package.sha256: package.license for package in lock.package if package.license is not None}
    targets = {}
    for name in names:
        used, recipe, file = closure([name], recipes), recipes[name], loaded.files[name].path
        part = portion_of(lock, recipes, used, system)
        targets[name] = Target(
            asked=name,
            recorded=name,
            package=Package(
                recipe.name, recipe.version, system, recipe.summary, recipe.homepage, recipe.license
            ),
            evaluated=evaluated[name],
            graph=graph.below(evaluated[name].artifact),
            toolchains=toolchains_of(recipe, recipes, lock),
            origins=_origins(name, request, evaluated[name]),
            licences=licences,
            made_from=MadeFrom(
                InputFile(file.name, Sha256.of(loaded.files[name].data)),
                locked,
                {each: loaded.files[each].data for each in used},
                part,
                request_for([name], recipes, part, system, pins, dependencies),
            ),
            revision=_revision(repository, loaded, used, lock_file),
            unversioned=repository if isinstance(repository, Unversioned) else None,
            request=request,
            folder=files[0].parent,
            dependencies=_depended(used, request, evaluated[name]),
            within=_within(used, request, evaluated[name]),
        )
    dirty = tuple(pin.url.removesuffix("@") for pin in pins.values() if pin.dirty)
    return Plan(targets, graph, request, lock, locked, dirty)


def _sources(workshop: Workshop, repository: Path) -> Sources:
    mirrors = Mirrors(workshop.configuration.mirrors)
    return Sources(workshop.state.folder("sources"), mirrors, repository)


def _revision(
    repository: Repository | Unversioned, loaded: Loaded, used: Sequence[str], lock_file: Path
) -> Revision | None:
    """Of a target, which is the last of the recipes used."""
    if isinstance(repository, Unversioned):
        return None
    files = [loaded.files[name].path for name in used]
    return repository.revision(files[-1], (*files, lock_file))


def _origins(name: str, request: Mapping[str, Any], evaluated: Evaluated) -> Mapping[str, Origin]:
    origins = origins_of(name, request)
    return {each.path: origins[each.name, each.digest] for each in evaluated.fixed}


def _depended(
    used: Sequence[str], request: Mapping[str, Any], evaluated: Evaluated
) -> Mapping[str, tuple[Depended, ...]]:
    paths = {(each.name, each.digest): each.path for each in evaluated.fixed}
    found = {name: depended(request["recipes"][name], paths) for name in used}
    return {name: each for name, each in found.items() if each}


def _within(
    used: Sequence[str], request: Mapping[str, Any], evaluated: Evaluated
) -> Mapping[str, tuple[Within, ...]]:
    paths = {(each.name, each.digest): each.path for each in evaluated.fixed}
    found: dict[str, tuple[Within, ...]] = {}
    for name in used:
        for path, some in within(request["recipes"][name], paths).items():
            found[path] = tuple(dict.fromkeys((*found.get(path, ()), *some)))
    return found


def find_lock(files: Sequence[Path]) -> Path:
    """The nearest `tally.lock` beside the recipes or above. Raises TallyError when there is none."""
    folder = files[0].absolute().parent
    for candidate in (folder, *folder.parents):
        if os.path.lexists(candidate / locks.FILE_NAME):
            return candidate / locks.FILE_NAME
    raise TallyError(
        f"there is no {locks.FILE_NAME} in {folder} or above it",
        hint="run `tally lock` in the folder that holds recipes/",
    )
