"""What would be built, from what: a release's first stages, up to the derivations."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orchestrator.builders import host
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.derivation import Derivation, DerivationGraph
from orchestrator.nix.evaluation import Evaluated, evaluate
from orchestrator.recipe import lock as locks
from orchestrator.recipe.graph import Loaded, closure, load_files
from orchestrator.recipe.lock import Lock
from orchestrator.recipe.origins import Origin, origins_of
from orchestrator.recipe.pathsource import path_pins
from orchestrator.recipe.portion import portion_of
from orchestrator.recipe.recipe import Recipe
from orchestrator.recipe.repository import Repository, Unversioned, repository_of
from orchestrator.recipe.request import request_for
from orchestrator.recipe.revision import Revision
from orchestrator.recipe.toolchains import toolchains_of
from orchestrator.run.workshop import Workshop

_SHOWN = 5


@dataclass(frozen=True)
class MadeFrom:
    """What planning one target again needs, and nothing else: `source/` in its release."""

    recipes: Mapping[str, bytes]
    """Recipe name to its file's bytes: the target's, and those of the recipes that it uses."""
    lock: Lock
    """The part that these recipes need."""
    request: Mapping[str, Any]
    """The request for this target alone."""


@dataclass(frozen=True)
class Target:
    """One thing to release, as derivations in the orchestrator's store."""

    file: Path
    recipe: Recipe
    evaluated: Evaluated
    graph: DerivationGraph
    """The artifact's derivation and all below it."""
    toolchains: tuple[Mapping[str, str], ...]
    """The pins of what it is built with."""
    origins: Mapping[str, Origin]
    """Store path of each fixed output to where it is from."""
    made_from: MadeFrom
    revision: Revision | None
    """None: no repository's commit is known."""


@dataclass(frozen=True)
class Plan:
    """Everything that was asked for in one run."""

    targets: Mapping[str, Target]
    """By recipe name, in the order asked for."""
    lock: Lock
    lock_file: Path
    lock_digest: Sha256
    request: Mapping[str, Any]
    graph: DerivationGraph
    dirty: tuple[str, ...]
    """Addresses of path sources that differ from their commit: nothing made from them is signed."""
    repository: Repository | Unversioned
    """Where recipes and lock are from."""

    def without(self, names: Collection[str]) -> Plan:
        """The plan for the other targets."""
        left = {name: target for name, target in self.targets.items() if name not in names}
        return self if len(left) == len(self.targets) else replace(self, targets=left)

    @property
    def requested(self) -> tuple[str, ...]:
        """What every builder is asked to build: each target's package and artifact."""
        evaluated = [target.evaluated for target in self.targets.values()]
        return tuple(dict.fromkeys(drv for one in evaluated for drv in (one.package, one.artifact)))

    @property
    def fixed(self) -> tuple[str, ...]:
        """Store paths that every builder needs beforehand."""
        return tuple(sorted({each.path for one in self.targets.values() for each in one.evaluated.fixed}))

    @property
    def lacking_commit(self) -> str | None:
        """Why a commit does not tell what recipes and lock were, as a sentence; None: one does."""
        if isinstance(self.repository, Unversioned):
            return f"the provenance names no commit, since {self.repository.why}"
        revisions = [target.revision for target in self.targets.values() if target.revision is not None]
        changed = sorted({file for revision in revisions for file in revision.uncommitted})
        if not changed:
            return None
        files = ", ".join(changed[:_SHOWN]) + (" and others" if len(changed) > _SHOWN else "")
        what = "is" if len(changed) == 1 else "are"
        return f"{files} {what} not as the commit {self.repository.commit[:12]} has it: `uncommitted`"


@dataclass(frozen=True, slots=True)
class Step:
    """One derivation of a plan, and where its outputs are already."""

    derivation: Derivation
    kind: str
    """`source`, `toolchain` or `built`."""
    present: Mapping[str, bool]
    """Store name (`orchestrator`, or an embedded builder's) to whether it holds all outputs."""
    fetched: bool
    """Whether it was fetched already; in the store it is put when it is built with."""

    @property
    def missing(self) -> tuple[str, ...]:
        return () if self.fetched else tuple(store for store, there in self.present.items() if not there)


def make(workshop: Workshop, files: Sequence[Path], *, allow_dirty: bool = False) -> Plan:
    """Recipes and lock to derivations. Needs no network and fetches no source. Raises TallyError."""
    lock_file = find_lock(files)
    loaded = load_files(files)
    names, recipes = loaded.targets, {name: file.recipe for name, file in loaded.files.items()}
    lock, lock_data = locks.read_with_bytes(lock_file)
    pins = path_pins(files[0].parent, recipes, allow_dirty=allow_dirty)
    system = host.nix_system()
    request = request_for(names, recipes, lock, system, pins)
    evaluated = evaluate(workshop.store, request)
    graph = workshop.store.graph([evaluated[name].artifact for name in names])
    texts = {file.path: file.data for file in loaded.files.values()} | {lock_file: lock_data}
    repository = repository_of(files[0].absolute().parent, texts)
    targets = {}
    for name in names:
        used = closure([name], recipes)
        part = portion_of(lock, recipes, used, system)
        targets[name] = Target(
            loaded.files[name].path,
            recipes[name],
            evaluated[name],
            graph.below(evaluated[name].artifact),
            toolchains_of(recipes[name], recipes, lock),
            _origins(name, request, evaluated[name]),
            MadeFrom(
                {each: loaded.files[each].data for each in used},
                part,
                request_for([name], recipes, part, system, pins),
            ),
            _revision(repository, loaded, used, lock_file),
        )
    dirty = tuple(pin.url.removesuffix("@") for pin in pins.values() if pin.dirty)
    return Plan(targets, lock, lock_file, Sha256.of(lock_data), request, graph, dirty, repository)


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


def closures(workshop: Workshop, plan: Plan) -> Mapping[str, tuple[Step, ...]]:
    """Recipe name to every derivation of its build-time closure, in build order, with where it is present.

    Each store is asked once for all of them.
    """
    derivations = plan.graph.derivations
    embedded = {b.name: b.store for b in workshop.builders() if isinstance(b.store, ChrootStore)}
    stores = {"orchestrator": workshop.store} | embedded  # other hosts are asked when they are to build
    outputs = [path for derivation in derivations.values() for path in derivation.outputs.values()]
    with ThreadPoolExecutor() as asking:  # a process of Nix for each store, at the same time
        absent = dict(
            zip(stores, asking.map(lambda store: store.invalid(outputs), stores.values()), strict=True)
        )
    sources = workshop.state.folder("sources")
    steps = {path: _step(derivation, absent, sources) for path, derivation in derivations.items()}
    return {
        name: tuple(steps[derivation.path] for derivation in target.graph.in_build_order())
        for name, target in plan.targets.items()
    }


def _step(derivation: Derivation, absent: Mapping[str, set[str]], sources: Path) -> Step:
    if derivation.fixed is None:
        kind, stores = "built", [name for name in absent if name != "orchestrator"]
    else:
        kind, stores = derivation.env.get("tallyKind", "source"), ["orchestrator"]
    outputs = set(derivation.outputs.values())
    fixed = derivation.fixed
    fetched = fixed is not None and os.path.lexists(sources / fixed.digest.hex / derivation.name)
    return Step(derivation, kind, {name: not outputs & absent[name] for name in stores}, fetched)
