"""Which targets come first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from orchestrator.ledger.entries import Depth, Result, Verdict
from orchestrator.run.scheduling import by_age

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


def result(target: str, days: int, verdict: Verdict = Verdict.AGREED) -> Result:
    time = NOON - timedelta(days=days)
    return Result("1", target, "p", "a", target, None, "x86_64-linux", verdict, time, Depth(1))


def test_never_tried_ones_first_then_the_longest_ago() -> None:
    targets = {name: f"recorded {name}" for name in ("old", "new", "never", "failed", "also never")}
    last = [
        result("recorded old", 9),
        result("recorded new", 1),
        result("recorded failed", 5, Verdict.FAILED),
        result("something else", 50),
    ]
    found = by_age(targets, {each.target: each for each in last})
    assert list(found) == ["never", "also never", "old", "failed", "new"]
