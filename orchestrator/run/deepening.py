"""How far down a run has every derivation be an agreement of its own, and what of that is known already."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.builders.build import BuiltPath
from orchestrator.builders.builder import Builder
from orchestrator.ground.errors import TallyError
from orchestrator.ground.wording import counted
from orchestrator.ledger.entries import Entry, Known, Made
from orchestrator.ledger.holding import Holding, abandoned, known, restless
from orchestrator.ledger.reading import read
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.derivation import DerivationGraph
from orchestrator.run.believing import ALL_THE_WAY, Decision
from orchestrator.run.plan import Plan
from orchestrator.run.workshop import Workshop


@dataclass(frozen=True, slots=True)
class Deep:
    """Made by `deepened`; as it is, nothing but what was asked for is built for its own sake."""

    requested: tuple[str, ...] = ()
    """`.drv` paths of inputs that every builder is to build in this run, in build order."""
    known: Mapping[str, Holding] = field(default_factory=dict)
    """`.drv` paths of inputs that need no build, with what each builder made of them; without a depth only
    those that a store lacks."""
    repeat: int = 0
    """How often all that is built is built once more."""
    abandoned: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Builder to `.drv` paths of what it has from runs that ended before they looked for alterations: it is
    deleted, and built anew."""

    def by_builder(self) -> Mapping[str, Mapping[str, BuiltPath]]:
        """The same, by builder and store path, as reports have inputs."""
        found: dict[str, dict[str, BuiltPath]] = {}
        for holding in self.known.values():
            for name, outputs in holding.items():
                found.setdefault(name, {}).update((each.path, _built(each)) for each in outputs.values())
        return found


SHALLOW = Deep()


def deepened(
    workshop: Workshop,
    plan: Plan,
    builders: Sequence[Builder],
    decision: Decision,
    levels: int,
    say: Callable[[str], None],
    *,
    again: bool = False,
    repeat: int = 0,
) -> Deep:
    """The inputs of so many levels, but for believed ones: which are to be built. Raises TallyError.

    `again`: also those that the ledger knows; so it is where all is built `repeat` times more.
    """
    every = [
        path for path in reach(plan.graph, plan.requested, ALL_THE_WAY) if decision.needs(plan.graph[path])
    ]
    within = set(reach(plan.graph, plan.requested, levels))
    wanted = [path for path in every if path in within]
    found = {} if again or repeat else _known(workshop, builders, wanted)
    above = _above_restless(workshop, builders, every, plan.graph) if found else frozenset[str]()
    found = {path: holding for path, holding in found.items() if path not in above}
    left = tuple(path for path in wanted if path not in found)
    if levels:
        told = f"deep: {counted(len(wanted), 'input')}, {len(left)} to build on every builder"
        say(f"{told}; {len(found)} known as agreed" if found else told)
    left_behind = _abandoned(workshop, plan.graph)
    beyond = _lacking(workshop, builders, [path for path in every if path not in within], plan.graph)
    return Deep(left, {**found, **_known(workshop, builders, beyond)}, repeat, left_behind)


def reach(graph: DerivationGraph, requested: Sequence[str], levels: int) -> tuple[str, ...]:
    """The inputs of so many levels below what was asked for, in build order; not those with fixed outputs."""
    level, found = set(requested), set(requested)
    for _ in range(levels):
        below = {path for drv in level for path in graph[drv].input_derivations} - found
        level = {path for path in below if graph[path].fixed is None}
        if not level:
            break
        found |= level
    wanted = found.difference(requested)
    return tuple(each.path for each in graph.in_build_order() if each.path in wanted)


def standing_on(graph: DerivationGraph, those: Collection[str]) -> frozenset[str]:
    """Which derivations were made with some of those, at any remove; a fixed output ends it."""
    found: set[str] = set()
    for each in graph.in_build_order():
        if each.fixed is None and any(path in those or path in found for path in each.input_derivations):
            found.add(each.path)
    return frozenset(found)


def _above_restless(
    workshop: Workshop, builders: Sequence[Builder], inputs: Sequence[str], graph: DerivationGraph
) -> frozenset[str]:
    """What stands on an input of which some builder has had several results: nobody knows with which."""
    with read(workshop.state) as ledger:
        return standing_on(graph, restless(ledger.entries(inputs), [builder.name for builder in builders]))


def _abandoned(workshop: Workshop, graph: DerivationGraph) -> Mapping[str, frozenset[str]]:
    if not workshop.state.ledger.exists():
        return {}
    own = [each.path for each in graph.derivations.values() if each.fixed is None]
    running = workshop.state.running()  # before what they wrote is read: one that ends meanwhile has looked
    with read(workshop.state) as ledger:
        return abandoned(ledger.entries(own), running)


def _known(workshop: Workshop, builders: Sequence[Builder], wanted: Sequence[str]) -> Mapping[str, Holding]:
    """Those of the inputs that the ledger knows as agreed, and of which no store has something else."""
    if not wanted or not workshop.state.ledger.exists():
        return {}
    with read(workshop.state) as ledger:
        entries: list[Entry] = list(ledger.entries(wanted))
    if not entries:
        return {}
    asked = [builder for builder in builders if not builder.spare]
    now = [_as_it_is(builder) for builder in asked]
    configuration = workshop.configuration
    found = dict(known(entries, now, configuration.quorum or 2, configuration.vote))
    try:
        for builder in asked:
            for path in _unlike(builder, found):
                del found[path]
    except TallyError:  # a store that cannot be read: its builder says so in the run
        return {}
    return found


def _lacking(
    workshop: Workshop, builders: Sequence[Builder], inputs: Sequence[str], graph: DerivationGraph
) -> list[str]:
    """Those of these inputs that some store of ours lacks: `tally clean` may have dropped them."""
    if not inputs or not workshop.state.ledger.exists():
        return []
    stores = [builder.store for builder in builders if isinstance(builder.store, ChrootStore)]
    outputs = [path for drv in inputs for path in graph[drv].outputs.values()]
    try:
        absent = {path for store in stores for path in store.invalid(outputs)}
    except TallyError:  # a store that cannot be read: its builder says so in the run
        return []
    return [drv for drv in inputs if not absent.isdisjoint(graph[drv].outputs.values())]


def _as_it_is(builder: Builder) -> Known:
    """Who it is by what can be seen before it is turned on: of a machine that is made anew, nothing."""
    if builder.kind == "vm":
        return Known(builder.name, builder.kind, builder.operator)
    try:
        facts = builder.facts()
    except TallyError:  # the run will say so, and nothing is known until then
        return Known(builder.name, builder.kind, builder.operator)
    return Known(builder.name, builder.kind, builder.operator, facts.nix_version, facts.machine_id)


def _unlike(builder: Builder, found: Mapping[str, Holding]) -> set[str]:
    """Derivations of which a builder's store has something else than it made."""
    made = {
        each.path: (drv, each) for drv, holding in found.items() for each in holding[builder.name].values()
    }
    there = made.keys() - builder.store.invalid(made)
    unlike = set()
    for path, info in builder.store.information(there).items():
        drv, each = made[path]
        if (info.nar_hash, info.references) != (each.nar_hash, each.references):
            unlike.add(drv)
    return unlike


def _built(made: Made) -> BuiltPath:
    return BuiltPath(made.path, made.nar_hash, made.nar_size, made.references)


__all__ = ["ALL_THE_WAY", "SHALLOW", "Deep", "deepened", "reach"]
