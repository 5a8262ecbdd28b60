"""How a target fared from run to run: spans of one verdict, and where it turned. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from orchestrator.ground.wording import counted
from orchestrator.ledger.entries import Result, Verdict, written


@dataclass(frozen=True, slots=True)
class Span:
    """Runs one after the other that came to the same verdict."""

    verdict: Verdict
    since: datetime
    until: datetime
    runs: int

    @property
    def sentence(self) -> str:
        """`differs since 2026-11-30T04:00:00Z (3 runs)`."""
        return f"{self.verdict.value} since {_seconds(self.since)} ({counted(self.runs, 'run')})"

    @property
    def document(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "verdict": self.verdict.value,
            "since": _seconds(self.since),
            "until": _seconds(self.until),
            "runs": self.runs,
        }


@dataclass(frozen=True, slots=True)
class Course:
    """All that became of one target."""

    target: str
    results: tuple[Result, ...]
    """The oldest first; at least one."""

    @property
    def spans(self) -> tuple[Span, ...]:
        """Consecutive results of one verdict, the oldest first."""
        return tuple(_spans(self.results))

    @property
    def known_as(self) -> frozenset[str]:
        """What it can be asked for by."""
        last = self.results[-1]
        return frozenset({self.target, last.name, last.package, last.artifact})

    @property
    def turn(self) -> tuple[str, str] | None:
        """The derivations of the last run that agreed and of the first one that did not, in their order.

        None where it agrees now, never agreed, or did so with the very same derivation.
        """
        return None if (results := self.turned) is None else (results[0].package, results[1].package)

    @property
    def turned(self) -> tuple[Result, Result] | None:
        """What these runs came to."""
        verdicts = [each.verdict.agrees for each in self.results]
        if verdicts[-1] or True not in verdicts:
            return None
        last_good = len(verdicts) - 1 - verdicts[::-1].index(True)
        before, after = self.results[last_good], self.results[last_good + 1]
        return None if before.package == after.package else (before, after)


def courses(results: Iterable[Result]) -> Iterator[Course]:
    """The course of every target, sorted by target; `results` are the oldest first."""
    by_target: dict[str, list[Result]] = {}
    for each in results:
        by_target.setdefault(each.target, []).append(each)
    for target in sorted(by_target):
        yield Course(target, tuple(by_target[target]))


def _spans(results: Iterable[Result]) -> Iterator[Span]:
    for verdict, each in groupby(results, key=lambda one: one.verdict):
        alike = list(each)
        yield Span(verdict, alike[0].time, alike[-1].time, len(alike))


def _seconds(time: datetime) -> str:
    return f"{written(time)[:19]}Z"
