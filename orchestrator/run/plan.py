"""Everything that is to be released in one run, as derivations in the orchestrator's store."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from orchestrator.evidence.definition import Definition
from orchestrator.evidence.facts import InputFile, Package
from orchestrator.evidence.terms import BUILD_TYPE
from orchestrator.ground.errors import TallyError
from orchestrator.ground.wording import counted, some
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.derivation import Derivation, DerivationGraph
from orchestrator.nix.evaluation import Evaluated
from orchestrator.pinning.depended import Depended, Within
from orchestrator.recipe.lock import Lock
from orchestrator.repositories.repository import COMMIT, Unversioned
from orchestrator.repositories.revision import Revision
from orchestrator.run.workshop import Workshop
from orchestrator.sources.origins import Origin
from orchestrator.sources.supply import Located

_SHOWN = 5


@dataclass(frozen=True)
class MadeFrom:
    """A recipe, and what planning it again needs: `source/` in its release."""

    file: InputFile
    lock_file: InputFile
    recipes: Mapping[str, bytes]
    """Recipe name to its file's bytes: the target's, and those of the recipes that it uses."""
    lock: Lock
    """The part that these recipes need."""
    request: Mapping[str, Any]
    """The request for this target alone."""


@dataclass(frozen=True)
class Taken:
    """A derivation that no recipe made, and what it was evaluated from."""

    definition: Definition
    request: Mapping[str, Any]
    """The request for packing it."""
    evaluation: Mapping[str, Any] | None = None
    """What evaluating it again needs; None: nothing was evaluated, the `.drv` was there."""
    output: str | None = None
    """The one that was asked for by its name."""


@dataclass(frozen=True)
class Target:
    """One thing to release, as derivations in the orchestrator's store."""

    asked: str
    """As the user wrote it: a recipe's name, `/nix/store/….drv`."""
    recorded: str
    """The same as evidence has it: it names no folder of this machine."""
    package: Package
    evaluated: Evaluated
    graph: DerivationGraph
    """The artifact's derivation and all below it, fixed outputs without what made them."""
    toolchains: tuple[Mapping[str, str], ...]
    """The pins of what it is built with."""
    origins: Mapping[str, Origin]
    """Store path of each fixed output to where it is from."""
    licences: Mapping[str, str]
    """sha256 (hexadecimal) of a fixed output's file to an SPDX expression."""
    made_from: MadeFrom | Taken
    revision: Revision | None
    """None: no repository's commit is known."""
    unversioned: Unversioned | None
    """Why none is known."""
    request: Mapping[str, Any]
    """What says how to get its fixed outputs that have no way of their own."""
    folder: Path
    """In the repository of path sources."""
    dependencies: Mapping[str, tuple[Depended, ...]] = field(default_factory=dict)
    """Recipe name to what the lock files in its sources pin; of the target, and of those that it uses."""
    within: Mapping[str, tuple[Within, ...]] = field(default_factory=dict)
    """Store path of what is fetched to what lock files say is within it."""

    @property
    def release_name(self) -> str:
        return self.package.release_name

    @property
    def build_type(self) -> str:
        """What kind of target it is, as its provenance says."""
        made_from = self.made_from
        return made_from.definition.build_type if isinstance(made_from, Taken) else BUILD_TYPE

    @property
    def foreign(self) -> tuple[Derivation, ...]:
        """The fixed outputs that somebody's own derivation fetches."""
        ours = {each.path for each in self.evaluated.fixed}
        return tuple(
            each
            for each in self.graph.derivations.values()
            if each.fixed is not None and each.fixed.path not in ours
        )


@dataclass(frozen=True)
class Plan:
    """Everything that was asked for in one run."""

    targets: Mapping[str, Target]
    """By what was asked for, in that order."""
    graph: DerivationGraph
    request: Mapping[str, Any]
    """One that says what the sandbox probe is made of."""
    lock: Lock | None
    """The project's; None: no recipe was asked for."""
    lock_file: InputFile | None
    dirty: tuple[str, ...]
    """Addresses of path sources that differ from their commit: nothing made from them is signed."""
    located: tuple[Located, ...] = ()
    """What was fetched for planning it, and where each was found."""

    def without(self, names: Collection[str]) -> Plan:
        """The plan for the other targets."""
        left = {name: target for name, target in self.targets.items() if name not in names}
        return self if len(left) == len(self.targets) else replace(self, targets=left)

    def in_order(self, names: Iterable[str]) -> Plan:
        """The same plan with its targets in that order; it has all of them."""
        return replace(self, targets={name: self.targets[name] for name in names})

    @property
    def system(self) -> str:
        """What everything in it is built for."""
        return str(self.request["system"])

    @property
    def requested(self) -> tuple[str, ...]:
        """What every builder is asked to build: each target's package and artifact."""
        evaluated = [target.evaluated for target in self.targets.values()]
        return tuple(dict.fromkeys(drv for one in evaluated for drv in (one.package, one.artifact)))

    @property
    def fixed(self) -> tuple[str, ...]:
        """Store paths that every builder needs beforehand."""
        ours = {each.path for one in self.targets.values() for each in one.evaluated.fixed}
        theirs = (each for one in self.targets.values() for each in one.foreign)
        return tuple(sorted(ours.union(each.fixed.path for each in theirs if each.fixed is not None)))

    @property
    def lacking_commit(self) -> str | None:
        """Why a commit does not tell what recipes and lock were, as a sentence; None: one does."""
        for target in self.targets.values():
            if target.unversioned is not None:
                return f"the provenance names no commit, since {target.unversioned.why}"
        revisions = [target.revision for target in self.targets.values() if target.revision is not None]
        changed = {file: revision.commit for revision in revisions for file in revision.uncommitted}
        absent = frozenset[str]().union(*(revision.absent for revision in revisions))
        told = [
            _uncommitted(sorted(files), one, many, changed)
            for files, one, many in (
                (changed.keys() - absent, "it differs from", "they differ from"),
                (absent, "it is not in", "they are not in"),
            )
            if files
        ]
        return "; ".join(told) or None

    @property
    def to_have_a_commit(self) -> str:
        """What to do where one is lacking."""
        known = (target.unversioned for target in self.targets.values())
        return next((each.way_out for each in known if each is not None), COMMIT)


def _uncommitted(files: list[str], one: str, many: str, commits: Mapping[str, str]) -> str:
    """What these files have to do with their commit, the same for all, as a sentence."""
    said = f"is uncommitted: {one}" if len(files) == 1 else f"are uncommitted: {many}"
    return f"{some(_folded(files), _SHOWN)} {said} the commit {commits[files[0]][:12]}"


def _folded(files: Sequence[str]) -> list[str]:
    """Files as sentences hold them: many below one folder, as of an earlier release, are told by it."""
    below: dict[str, list[str]] = {}
    for file in files:
        folder, mark, _ = file.partition("/")
        below.setdefault(folder + mark, []).append(file)
    return [
        told
        for folder, those in below.items()
        for told in ([f"{folder} ({counted(len(those), 'file')})"] if len(those) > _SHOWN else those)
    ]


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


def joined(parts: Iterable[Plan], *, released: bool = True) -> Plan:
    """Plans of several kinds of targets as one. Raises TallyError where two would be one release."""
    every = list(parts)
    targets: dict[str, Target] = {}
    names: dict[str, str] = {}
    for target in (target for part in every for target in part.targets.values()):
        if target.asked in targets:
            continue
        other = names.setdefault(target.release_name, target.asked)
        if released and other != target.asked:
            raise TallyError(
                f"{other} and {target.asked} would both be the release {target.release_name}",
                hint="build them one after the other, each into a folder of its own with --out",
            )
        targets[target.asked] = target
    derivations = {path: each for part in every for path, each in part.graph.derivations.items()}
    roots = tuple(dict.fromkeys(root for part in every for root in part.graph.roots))
    locked = next((part for part in every if part.lock is not None), every[0])
    return Plan(
        targets,
        DerivationGraph(derivations, roots),
        locked.request,
        locked.lock,
        locked.lock_file,
        tuple(address for part in every for address in part.dirty),
    )


def closures(workshop: Workshop, plan: Plan) -> Mapping[str, tuple[Step, ...]]:
    """Target to every derivation of its build-time closure, in build order, with where it is present.

    Each store is asked once for all of them.
    """
    derivations = plan.graph.derivations
    builders = workshop.builders()
    embedded = {
        each.name: each.store
        for each in builders
        if isinstance(each.store, ChrootStore) and workshop.builds_for(each.name, plan.system)
    }
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
