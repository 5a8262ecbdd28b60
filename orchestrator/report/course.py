"""What runs came to, one after another: a package's verdict, since when, and everybody's share. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Final

from orchestrator.ledger.entries import Verdict
from orchestrator.report.document import Before, Moment
from orchestrator.report.verdicts import AGREEING, DECIDED

_DAYS: Final = 400
"""Points of the history. Of more days, those that are left out stand in between."""


Key = tuple[str, str, str]
"""What a package is known by: its name, the system, and what was asked for."""


@dataclass(frozen=True, slots=True)
class Event:
    """What one run came to for one package."""

    key: Key
    time: datetime
    verdict: Verdict
    run: str
    derivation: str
    surroundings: str = ""
    """Who built and what was varied, in any form: two runs compare only where it is the same."""


@dataclass(frozen=True, slots=True)
class Course:
    """A package's events with the verdict that stands after them."""

    events: tuple[Event, ...]
    """The oldest first, each with the verdict that it left."""

    @property
    def verdict(self) -> Verdict:
        return self.events[-1].verdict

    @property
    def since(self) -> datetime:
        return self._streaks[-1][0].time

    @property
    def before(self) -> Before | None:
        """The verdict before this one, and when it was the last."""
        streaks = self._streaks
        return (
            Before(verdict=streaks[-2][0].verdict, until=streaks[-2][-1].time) if len(streaks) > 1 else None
        )

    @property
    def _streaks(self) -> list[list[Event]]:
        return [list(each) for _, each in groupby(self.events, key=lambda one: one.verdict)]


def courses(events: Iterable[Event]) -> Mapping[Key, Course]:
    """Every package's course, in the order of their names."""
    by_package: dict[Key, list[Event]] = {}
    for event in events:
        by_package.setdefault(event.key, []).append(event)
    return {
        key: Course(tuple(_judged(sorted(some, key=lambda one: one.time))))
        for key, some in sorted(by_package.items())
    }


def _judged(events: Sequence[Event]) -> Iterator[Event]:
    """Each event with what is known after it.

    The same derivation, by the same builders in the same surroundings, that agreed once and differed once is
    flaky: neither of the two runs says more than the other.
    """
    seen: dict[tuple[str, str], set[bool]] = {}
    for event in events:
        if event.verdict not in DECIDED:
            yield event
            continue
        found = seen.setdefault((event.derivation, event.surroundings), set())
        found.add(event.verdict.agrees)
        yield replace(event, verdict=Verdict.FLAKY) if len(found) > 1 else event


def history(every: Iterable[Course]) -> tuple[Moment, ...]:
    """How many packages had which verdict at the end of each day on which something ran, the oldest first."""
    events = sorted((event for course in every for event in course.events), key=lambda one: one.time)
    latest: dict[Key, Verdict] = {}
    counts: Counter[Verdict] = Counter()
    found = []
    for day, some in groupby(events, key=lambda one: one.time.date().isoformat()):
        for event in some:
            if (old := latest.get(event.key)) is not None:
                counts[old] -= 1
            latest[event.key] = event.verdict
            counts[event.verdict] += 1
        found.append(moment(day, counts))
    if len(found) <= _DAYS:
        return tuple(found)
    step = (len(found) - 1) / (_DAYS - 1)
    return tuple(found[round(place * step)] for place in range(_DAYS))


def moment(day: str, counts: Mapping[Verdict, int]) -> Moment:
    """A point of the history."""
    agreed, decided = (sum(counts.get(one, 0) for one in some) for some in (AGREEING, DECIDED))
    return Moment(
        day=day,
        agreed=agreed,
        decided=decided,
        failed=counts.get(Verdict.FAILED, 0),
        undecided=counts.get(Verdict.UNDECIDED, 0),
        share=round(agreed / decided, 4) if decided else None,
    )
