"""Whether what stands at a place is what a probe saw, or the time of the build."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from orchestrator.agreement.cause import Spot, Window
from orchestrator.diagnosis.facts import clocks_at, facts_at
from orchestrator.evidence.kept import Maker, Span

THEN = datetime(2026, 11, 30, 4, 34, 26, tzinfo=UTC)
DRV = "/nix/store/x.drv"


def spot(one: str, other: str) -> Spot:
    at = next(
        (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
    return Spot("f", b"", at, Window(one.encode(), at), Window(other.encode(), at))


def maker(began: datetime = THEN, **surroundings: object) -> Maker:
    clock = {"clock": began.isoformat()}
    return Maker("local", {**clock, **surroundings}, {DRV: Span(began, began + timedelta(seconds=1))})


def test_a_value_that_both_probes_saw_is_named() -> None:
    makers = maker(memoryKiB=8000000), maker(memoryKiB=4000000)
    assert facts_at(spot("MemTotal: 8000000 kB", "MemTotal: 4000000 kB"), makers) == {
        "memoryKiB": ("8000000", "4000000")
    }


def test_values_that_are_swapped_or_elsewhere_are_not() -> None:
    makers = maker(memoryKiB=8000000), maker(memoryKiB=4000000)
    assert not facts_at(spot("MemTotal: 4000000 kB", "MemTotal: 8000000 kB"), makers)
    assert not facts_at(spot("8000000 of x", "8000000 of y"), makers)
    assert not facts_at(spot("MemTotal: 80000001", "MemTotal: 40000001"), makers)


def test_a_kernels_name_counts_with_and_without_its_system() -> None:
    makers = maker(kernel="Linux 6.18.4"), maker(kernel="Linux 2.6.78")
    assert "kernel" in facts_at(spot("built on 6.18.4", "built on 2.6.78"), makers)


def test_times_of_both_builds_are_found_in_one_form() -> None:
    makers = maker(), maker(THEN + timedelta(seconds=5))
    assert clocks_at(spot("at 1796013266\n", "at 1796013271\n"), makers, DRV) == ("1796013266", "1796013271")
    assert clocks_at(spot("04:34:26", "04:34:32"), makers, DRV) == ("04:34:26", "04:34:32")


def test_a_clock_that_is_years_ahead_is_followed() -> None:
    ahead = THEN + timedelta(days=4321)
    there = Maker("vm", {"clock": ahead.isoformat()}, maker().spans)
    assert clocks_at(spot("in 2026\n", "in 2038\n"), (maker(), there), DRV) == ("2026", "2038")


def test_a_time_that_is_nobodys_is_none() -> None:
    makers = maker(), maker(THEN + timedelta(seconds=5))
    assert clocks_at(spot("1700000000", "1700000005"), makers, DRV) is None
    assert clocks_at(spot("1796013266", "1796013271"), makers, "/nix/store/y.drv") is None
    assert clocks_at(spot("1", "2"), (None, makers[1]), DRV) is None


def test_a_release_may_tell_of_any_time() -> None:
    """No clock of a stranger's stops a diagnosis."""
    far = datetime(8999, 1, 1, tzinfo=UTC)
    for started in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", ["x"]):
        theirs = maker(far, clock="8999-01-01T00:00:00Z", started=started)
        for pair in ((maker(), theirs), (theirs, maker())):
            assert clocks_at(spot("1700000000", "1700000005"), pair, DRV) is None
