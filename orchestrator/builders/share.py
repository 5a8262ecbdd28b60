"""One target's share of reports on many: other targets stay out, what this one stands on stays in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from orchestrator.builders.build import Report
from orchestrator.nix.derivation import DerivationGraph


def shares_of(
    reports: Sequence[Report], graph: DerivationGraph, requested: Sequence[str]
) -> tuple[tuple[str, ...], tuple[Report, ...]]:
    """What is to be compared, and the reports as if only that had been asked for. `graph` is the target's.

    Another target that this one uses becomes a built input of it; but one that some builder did not
    reproduce is compared too, so that nothing stands on it unnoticed.
    """
    unstable = {
        path
        for report in reports
        for path, build in report.builds.items()
        if path in graph.derivations and build.unstable
    }
    compared = (*requested, *sorted(unstable - set(requested)))
    return compared, tuple(_share(report, graph, set(compared)) for report in reports)


def _share(report: Report, graph: DerivationGraph, compared: set[str]) -> Report:
    used = {
        built.path: built
        for path, build in report.builds.items()
        if path in graph.derivations and path not in compared
        for built in build.outputs.values()
    }
    inputs = {path: built for path, built in report.inputs.items() if path in graph.by_output}
    return replace(
        report,
        builds={path: build for path, build in report.builds.items() if path in compared},
        inputs=inputs | used,
        failures=tuple(
            f for f in report.failures if f.derivation is None or f.derivation in graph.derivations
        ),
    )
