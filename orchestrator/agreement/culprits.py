"""Which outputs differ, and which derivations are to blame. Pure.

1. An output differs when two builders, or two builds by one builder, made different bytes or references.
2. A build sees the outputs that it uses, with all that these refer to, and nothing else (Nix's sandbox).
3. A derivation inherits a difference when something that it sees differs.
4. One whose outputs differ and that inherits nothing is a culprit.
5. So is one that a builder made twice in one run, from the same inputs, and not the same.

So an input that came out the same from inputs that differ passes no blame on, unless it refers to one of
them: the difference ends there. But where all builders used the same result of an input, and one of them did
not make that again, nothing was made from the other result: how far its difference reaches is not known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.agreement.agreement import DifferingOutput
from orchestrator.builders.build import BuiltPath, Report
from orchestrator.ground.digest import NarHash
from orchestrator.nix.derivation import DerivationGraph

_EARLIER = " (earlier)"


def earlier(builder: str) -> str:
    """What the result is called that a builder's store held before it built again and got another."""
    return f"{builder}{_EARLIER}"


def is_earlier(side: str) -> bool:
    """Whether a name is one that `earlier` gave."""
    return side.endswith(_EARLIER)


@dataclass(frozen=True, slots=True)
class Divergence:
    """What differs, and how far up that reaches."""

    outputs: tuple[DifferingOutput, ...]
    """In build order."""
    spoiled: frozenset[str]
    """Store paths that differ, or refer to one that does."""
    untried: frozenset[str]
    """Store paths made, at any remove, with an output of which all builders used the same result, though one
    did not make it again."""


def divergence(graph: DerivationGraph, reports: Sequence[Report]) -> Divergence:
    """The outputs that are not the same on every builder that has them, and what refers to them."""
    spoiled: set[str] = set()
    untried: set[str] = set()
    outputs = tuple(_differing(graph, reports, spoiled, untried))
    return Divergence(outputs, frozenset(spoiled), frozenset(untried))


def differing(graph: DerivationGraph, reports: Sequence[Report]) -> tuple[DifferingOutput, ...]:
    """The outputs alone, in build order."""
    return divergence(graph, reports).outputs


def _differing(
    graph: DerivationGraph, reports: Sequence[Report], spoiled: set[str], untried: set[str]
) -> Iterator[DifferingOutput]:
    """Fills `spoiled` and `untried` on its way."""
    once: set[str] = set()
    """Outputs that were used in one result alone, though there is another."""
    for drv in graph.in_build_order():
        if drv.fixed is None and any(
            graph[below].outputs[name] in once or graph[below].outputs[name] in untried
            for below, names in drv.input_derivations.items()
            for name in names
        ):
            untried.update(drv.outputs.values())
        inherits = any(
            graph[below].outputs[name] in spoiled
            for below, names in drv.input_derivations.items()
            for name in names
        )
        made = {name: made_by(drv.path, name, path, reports) for name, path in sorted(drv.outputs.items())}
        for name, by in made.items():
            hashes = _hashes(drv.path, name, by, reports)
            # references are compared too: equal bytes that a store ties to other paths are another closure
            if len(set(by.values())) > 1 or len(hashes) > len(by):
                spoiled.add(drv.outputs[name])
                if len(set(by.values())) == 1:
                    once.add(drv.outputs[name])
                inherited = inherits and not _is_its_own(drv.path, reports)
                yield DifferingOutput(drv.path, name, drv.outputs[name], hashes, inherited)
        _spread(spoiled, made)


def _is_its_own(drv: str, reports: Sequence[Report]) -> bool:
    """Whether some builder made a derivation twice from the same inputs, and not the same."""
    builds = (report.builds[drv] for report in reports if drv in report.builds)
    return any(each.repeated for build in builds for each in build.unstable.values())


def made_by(drv: str, output: str, path: str, reports: Sequence[Report]) -> Mapping[str, BuiltPath]:
    """Builder name to what it has of one output, as a build or as an input; without those that have none."""
    found: dict[str, BuiltPath] = {}
    for report in reports:
        build = report.builds.get(drv)
        made = build.outputs.get(output) if build is not None else report.inputs.get(path)
        if made is not None:
            found[report.identity.name] = made
    return found


def _spread(spoiled: set[str], made: Mapping[str, Mapping[str, BuiltPath]]) -> None:
    """Add those outputs of one derivation that refer to what is spoiled; they may refer to each other."""
    left = [each for by in made.values() for each in by.values() if each.path not in spoiled]
    while more := [each.path for each in left if not spoiled.isdisjoint(each.references)]:
        spoiled.update(more)
        left = [each for each in left if each.path not in spoiled]


def _hashes(
    drv: str, output: str, made: Mapping[str, BuiltPath], reports: Sequence[Report]
) -> Mapping[str, NarHash]:
    """Builder name to NAR hash, with both results of a builder that differs from itself."""
    hashes: dict[str, NarHash] = {}
    for report in reports:
        name = report.identity.name
        if name not in made:
            continue
        hashes[name] = made[name].nar_hash
        build = report.builds.get(drv)
        if build is not None and output in build.unstable:
            hashes[name] = build.unstable[output].nar_hash
            hashes[earlier(name)] = made[name].nar_hash
    return hashes
