"""Which of many targets are begun first, and taken by a run of some: never tried ones, then the oldest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from orchestrator.ground.state import State
from orchestrator.ledger.reading import read
from orchestrator.run.plan import Plan

_NEVER = datetime.min.replace(tzinfo=UTC)


def oldest_first(state: State, plan: Plan) -> Plan:
    """The same plan, in the order in which its targets are to be begun."""
    if len(plan.targets) < 2:
        return plan
    return plan.in_order(by_age(plan.targets, _tried(state, plan)))


def left_for_later(state: State, plan: Plan, most: int) -> frozenset[str]:
    """What a run leaves out that takes `most` targets at most, as they were asked for."""
    return frozenset(plan.targets) - frozenset(by_age(plan.targets, _tried(state, plan))[:most])


def by_age(targets: Iterable[str], tried: Mapping[str, datetime]) -> Sequence[str]:
    """Names of targets, those first that were never tried, then those that were tried last the longest ago.

    Of one age they stay as they were asked for.
    """
    return sorted(targets, key=lambda name: tried.get(name, _NEVER))


def _tried(state: State, plan: Plan) -> Mapping[str, datetime]:
    """When each was tried last: by what it came to, or by a build of it in a run that was killed."""
    if not state.ledger.exists():
        return {}
    with read(state) as ledger:
        concluded = ledger.concluded([each.recorded for each in plan.targets.values()], plan.system)
        built = ledger.built([each.evaluated.package for each in plan.targets.values()])
    found = {}
    for name, target in plan.targets.items():
        times = [built.get(target.evaluated.package), concluded.get(target.recorded)]
        if known := [time for time in times if time is not None]:
            found[name] = max(known)
    return found
