"""Which targets come first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from orchestrator.run.scheduling import by_age

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


def test_never_tried_ones_first_then_the_longest_ago() -> None:
    tried = {"old": NOON - timedelta(days=9), "new": NOON, "failed": NOON - timedelta(days=5), "other": NOON}
    found = by_age(("old", "new", "never", "failed", "also never"), tried)
    assert list(found) == ["never", "also never", "old", "failed", "new"]
