"""A package's verdict follows from its runs; a failure is never a difference."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from orchestrator.ledger.entries import Verdict
from orchestrator.report.course import Course, Event, courses, history

BEGINNING = datetime(2026, 11, 1, tzinfo=UTC)


def event(day: int, verdict: Verdict, name: str = "hello", derivation: str = "", where: str = "") -> Event:
    time = BEGINNING + timedelta(days=day)
    return Event((name, "x86_64-linux", name), time, verdict, f"run-{day}", derivation or f"drv-{day}", where)


def course(*events: Event) -> Course:
    (found,) = courses(events).values()
    return found


def test_since_when_and_what_before() -> None:
    found = course(
        event(3, Verdict.DIFFERS),
        event(0, Verdict.AGREED),
        event(1, Verdict.AGREED),
        event(2, Verdict.DIFFERS),
    )
    assert found.verdict is Verdict.DIFFERS
    assert found.since == BEGINNING + timedelta(days=2)
    assert found.before is not None
    assert (found.before.verdict, found.before.until) == (Verdict.AGREED, BEGINNING + timedelta(days=1))


def test_one_run_has_nothing_before_it() -> None:
    assert course(event(0, Verdict.FAILED)).before is None


def test_the_same_derivation_that_agrees_and_differs_is_flaky() -> None:
    for first, second in ((Verdict.AGREED, Verdict.DIFFERS), (Verdict.DIFFERS, Verdict.VARIED)):
        found = course(event(0, first, derivation="d"), event(1, second, derivation="d"))
        assert found.verdict is Verdict.FLAKY
        assert found.since == BEGINNING + timedelta(days=1), "until then one word of it was known"


def test_what_is_not_alike_is_not_flaky() -> None:
    other_inputs = course(event(0, Verdict.AGREED, derivation="d"), event(1, Verdict.DIFFERS, derivation="e"))
    varied = course(
        event(0, Verdict.AGREED, derivation="d"), event(1, Verdict.DIFFERS, derivation="d", where="kernel")
    )
    failed = course(event(0, Verdict.AGREED, derivation="d"), event(1, Verdict.FAILED, derivation="d"))
    assert [each.verdict for each in (other_inputs, varied, failed)] == [
        Verdict.DIFFERS,
        Verdict.DIFFERS,
        Verdict.FAILED,
    ]


def test_the_share_counts_neither_failed_nor_undecided() -> None:
    found = history(
        courses(
            [
                event(0, Verdict.FAILED, "a"),
                event(1, Verdict.AGREED, "b"),
                event(1, Verdict.DIFFERS, "c"),
                event(2, Verdict.UNDECIDED, "b"),
                event(3, Verdict.VARIED, "c"),
            ]
        ).values()
    )
    assert [
        (each.day, each.agreed, each.decided, each.failed, each.undecided, each.share) for each in found
    ] == [
        ("2026-11-01", 0, 0, 1, 0, None),
        ("2026-11-02", 1, 2, 1, 0, 0.5),
        ("2026-11-03", 0, 1, 1, 1, 0.0),
        ("2026-11-04", 1, 1, 1, 1, 1.0),
    ]


def test_the_history_of_years_has_its_first_and_its_last_day() -> None:
    found = history(courses([event(day, Verdict.AGREED) for day in range(3000)]).values())
    assert len(found) == 400
    assert found[0].day == "2026-11-01"
    assert found[-1].day == (BEGINNING + timedelta(days=2999)).date().isoformat()
