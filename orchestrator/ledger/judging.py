"""What became of every derivation of a run, by what the builders reported. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.agreement.culprits import differing, is_earlier, made_by
from orchestrator.agreement.independence import Level, Party, votes
from orchestrator.builders.build import Report
from orchestrator.ledger.entries import Verdict
from orchestrator.nix.derivation import Derivation, DerivationGraph


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdicts of one run."""

    verdicts: Mapping[str, Verdict]
    """By `.drv` path; without those of which no builder has anything."""
    culprits: frozenset[str]
    """Those whose inputs agree and whose outputs do not."""


def judge(
    graph: DerivationGraph, reports: Sequence[Report], needed: int, vote: Level, *, varied: bool = False
) -> Judgement:
    """What became of each derivation; `needed` votes agree, and `varied` says that surroundings differed.

    A builder whose sandbox was not proven counts for nothing. A build that failed is no vote, and a
    derivation of which two results differ is never one that failed.
    """
    proven = [report for report in reports if report.sandbox is not None]
    outputs = list(differing(graph, proven))
    unlike = {each.derivation: False for each in outputs}
    unlike.update((each.derivation, True) for each in outputs if any(map(is_earlier, each.hashes)))
    failed = {each.derivation for one in reports for each in one.failures if not each.infrastructure}
    agreed = Verdict.VARIED if varied else Verdict.AGREED
    found: dict[str, Verdict] = {}
    for drv in graph.derivations.values():
        if drv.fixed is not None:
            continue
        if drv.path in unlike:
            found[drv.path] = Verdict.FLAKY if unlike[drv.path] else Verdict.DIFFERS
        elif drv.path in failed:
            found[drv.path] = Verdict.FAILED
        elif parties := [Party.of(each.identity) for each in proven if has_whole(each, drv)]:
            enough = votes(parties, vote) >= max(2, needed)
            found[drv.path] = agreed if enough else Verdict.UNDECIDED
    return Judgement(found, frozenset(each.derivation for each in outputs if not each.inherited))


def has_whole(report: Report, drv: Derivation) -> bool:
    """Whether a builder has something of a derivation, and all outputs of it that any other one could."""
    made = [name for name, path in drv.outputs.items() if made_by(drv.path, name, path, [report])]
    return len(made) == len(drv.outputs)
