"""One target's share of reports on many: other targets stay out, what this one stands on stays in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from orchestrator.builders.build import Build, Report
from orchestrator.nix.derivation import DerivationGraph


def shares_of(
    reports: Sequence[Report], graph: DerivationGraph, requested: Sequence[str]
) -> tuple[Report, ...]:
    """The reports as if only `requested` had been asked for. `graph` is the target's.

    Another target that this one uses becomes a built input of it. Where some builder did not make it again,
    it stays a build, too, so that nothing stands on it unnoticed.
    """
    return tuple(_share(report, graph, requested) for report in reports)


def _below(report: Report, graph: DerivationGraph) -> Mapping[str, Build]:
    """A report's builds in a target's graph: looked up from there, since reports may be on thousands."""
    return {path: report.builds[path] for path in graph.derivations if path in report.builds}


def _share(report: Report, graph: DerivationGraph, requested: Sequence[str]) -> Report:
    builds = _below(report, graph)
    used = {
        built.path: built
        for path, build in builds.items()
        if path not in requested
        for built in build.outputs.values()
    }
    inputs = {path: report.inputs[path] for path in graph.by_output if path in report.inputs}
    return replace(
        report,
        builds={path: build for path, build in builds.items() if path in requested or build.unstable},
        inputs=inputs | used,
        failures=tuple(
            f for f in report.failures if f.derivation is None or f.derivation in graph.derivations
        ),
    )
