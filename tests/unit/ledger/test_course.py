"""How a target fared: since when, and by which change of inputs."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from orchestrator.ledger.change import changed
from orchestrator.ledger.course import courses
from orchestrator.ledger.entries import Depth, Result, Verdict


def result(day: int, verdict: Verdict, derivation: str = "app", target: str = "app") -> Result:
    time = datetime(2026, 1, day, tzinfo=UTC)
    path = drv(derivation)
    return Result(
        str(day), target, path, path, "app", None, "x86_64-linux", verdict, time, Depth(3, 1, 2), None
    )


def drv(name: str) -> str:
    return f"/nix/store/{'0' * 32}-{name}.drv"


def test_spans_say_since_when() -> None:
    verdicts = [Verdict.AGREED, Verdict.AGREED, Verdict.FAILED, Verdict.DIFFERS, Verdict.DIFFERS]
    (course,) = courses(result(day, each) for day, each in enumerate(verdicts, 1))
    assert [each.sentence for each in course.spans] == [
        "agreed since 2026-01-01T00:00:00Z (2 runs)",
        "failed since 2026-01-03T00:00:00Z (1 run)",
        "differs since 2026-01-04T00:00:00Z (2 runs)",
    ]


@pytest.mark.parametrize(
    ("runs", "turn"),
    [
        ([("old", Verdict.AGREED), ("new", Verdict.DIFFERS)], ("old", "new")),
        ([("old", Verdict.VARIED), ("new", Verdict.FLAKY), ("newer", Verdict.DIFFERS)], ("old", "new")),
        ([("old", Verdict.AGREED), ("old", Verdict.DIFFERS)], None),
        ([("old", Verdict.DIFFERS), ("new", Verdict.AGREED)], None),
        ([("old", Verdict.DIFFERS)], None),
    ],
)
def test_where_it_turned(runs: list[tuple[str, Verdict]], turn: tuple[str, str] | None) -> None:
    (course,) = courses(result(day, verdict, name) for day, (name, verdict) in enumerate(runs, 1))
    assert course.turn == (None if turn is None else tuple(map(drv, turn)))


def test_a_change_is_told_where_it_begins() -> None:
    before = {
        drv("app-1"): [drv("ssl-user-1"), drv("libc-2")],
        drv("ssl-user-1"): [drv("openssl-3.0.17")],
        drv("openssl-3.0.17"): [drv("openssl-3.0.17.tar.gz")],
        drv("openssl-3.0.17.tar.gz"): [],
        drv("libc-2"): [],
    }

    def moved(name: str) -> str:
        return f"/nix/store/{'1' * 32}-{name}.drv"

    after = {
        moved("app-1"): [moved("ssl-user-1"), drv("libc-2")],
        moved("ssl-user-1"): [moved("openssl-3.0.18")],
        moved("openssl-3.0.18"): [drv("openssl-3.0.18.tar.gz")],
        drv("openssl-3.0.18.tar.gz"): [],
        drv("libc-2"): [],
    }
    assert changed(before, after) == (("openssl-3.0.17.tar.gz", "openssl-3.0.18.tar.gz"),)
    assert changed(before, before) == ()
    assert changed({}, {drv("new"): []}) == (("", "new"),)
