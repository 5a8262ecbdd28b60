"""Which derivation diverged first from what others' evidence tells of the same graph. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from orchestrator.agreement.culprits import divergence
from orchestrator.builders.build import BuiltPath, Identity, Report
from orchestrator.ground.digest import NarHash
from orchestrator.nix.derivation import DerivationGraph


@dataclass(frozen=True, slots=True)
class Apart:
    """Where what was made here parts from what is told."""

    culprits: tuple[str, ...]
    """`.drv` paths in build order: their inputs are the same, as far as they are told, their outputs not."""
    doubtful: frozenset[str]
    """Those of them that were made, at any remove, with an input of which no hash is told."""
    inherited: frozenset[str]
    """Store paths that differ and were made with something that does."""
    compared: int
    """Outputs of which both hashes are known."""
    untold: tuple[str, ...]
    """Store paths of inputs that were built here and of which no hash is told."""

    @property
    def certain(self) -> tuple[str, ...]:
        """The culprits that cannot have inherited their difference."""
        return tuple(each for each in self.culprits if each not in self.doubtful)


def apart(graph: DerivationGraph, made: Mapping[str, BuiltPath], told: Mapping[str, NarHash]) -> Apart:
    """Hold every output that was made here against the hash that is told of it, by store path.

    What an output refers to is not told: it is taken to refer to what it does here.
    """
    theirs = {path: replace(built, nar_hash=told[path]) for path, built in made.items() if path in told}
    found = divergence(graph, [_report("here", made), _report("there", theirs)])
    culprits = dict.fromkeys(each.derivation for each in found.outputs if not each.inherited)
    unknown = made.keys() - told.keys()
    untold: set[str] = set()
    above: set[str] = set()
    for drv in graph.in_build_order():
        used = {} if drv.fixed is not None else drv.input_derivations
        lacking = {graph[each].outputs[name] for each, names in used.items() for name in names} & unknown
        untold |= lacking
        if lacking or not above.isdisjoint(used):
            above.add(drv.path)
    return Apart(
        tuple(culprits),
        frozenset(above & culprits.keys()),
        frozenset(each.path for each in found.outputs if each.inherited),
        len(theirs),
        tuple(sorted(untold)),
    )


def _report(name: str, made: Mapping[str, BuiltPath]) -> Report:
    return Report(Identity(name, "local"), None, builds={}, inputs=made, failures=())
