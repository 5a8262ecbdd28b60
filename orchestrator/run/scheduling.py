"""Which of many targets a run takes that is to take some: never tried ones first, then the longest ago."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from orchestrator.ground.state import State
from orchestrator.ledger.entries import Result
from orchestrator.ledger.reading import read
from orchestrator.run.plan import Plan

_NEVER = datetime.min.replace(tzinfo=UTC)


def left_for_later(state: State, plan: Plan, most: int) -> frozenset[str]:
    """What a run leaves out that takes `most` targets at most, as they were asked for."""
    every = {name: target.recorded for name, target in plan.targets.items()}
    return frozenset(every) - frozenset(by_age(every, _last(state, plan.system))[:most])


def by_age(targets: Mapping[str, str], last: Mapping[str, Result]) -> Sequence[str]:
    """Names of targets, those first that were never tried, then those whose last run is longest ago.

    `targets` has what the ledger calls each. Of one age they stay as they were asked for.
    """
    times = {name: result.time for name, result in last.items()}
    return sorted(targets, key=lambda name: times.get(targets[name], _NEVER))


def _last(state: State, system: str) -> Mapping[str, Result]:
    if not state.ledger.exists():
        return {}
    with read(state) as ledger:
        return {each.target: each for each in ledger.results(whole=False) if each.system == system}
