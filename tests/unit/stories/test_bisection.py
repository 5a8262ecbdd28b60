"""Which inputs make a derivation differ, where building is a function of which are as they were."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from synthetic import derivation

from orchestrator.nix.derivation import DerivationGraph
from orchestrator.nix.hybrid import Swap
from orchestrator.stories.bisection import Bisected, _Attempt

APP = derivation("app-1.1")
GOOD = derivation("app-1.0").path
EVERY = tuple(Swap(derivation(f"in{n}-1.0").path, derivation(f"in{n}-1.1").path, ("out",)) for n in range(5))


class Attempt(_Attempt):
    """Whose builds agree as a function says."""

    outcome: Callable[[set[int]], bool | None]

    def agrees(self, swapped: Sequence[Swap]) -> bool | None:
        self.tries += 1
        return self.outcome({EVERY.index(each) for each in swapped})


def bisected(outcome: Callable[[set[int]], bool | None], every: tuple[Swap, ...] = EVERY) -> Bisected:
    attempt = Attempt(cast("Any", None), DerivationGraph({APP.path: APP}, (APP.path,)), APP, lambda _: None)
    attempt.outcome = outcome
    return attempt.bisected(GOOD, every)


def test_the_one_that_makes_it_differ_is_proven_both_ways() -> None:
    found = bisected(lambda as_before: 3 in as_before)
    assert (found.inputs, found.proven, found.why) == ((EVERY[3],), True, None)
    (line,) = found.lines()
    assert line.startswith("app-1.1 differs by in3-1.0 → in3-1.1: as it was before, two builds agree; ")
    assert line.endswith("; as it is, with all else as it was, they differ (6 tries)")


def test_two_that_each_make_it_differ_are_both_named() -> None:
    assert bisected(lambda as_before: {0, 4} <= as_before).inputs == (EVERY[0], EVERY[4])


def test_a_mixture_that_does_not_build_proves_nothing() -> None:
    def outcome(as_before: set[int]) -> bool | None:
        return None if len(as_before) == 4 else 2 in as_before

    found = bisected(outcome)
    assert (found.inputs, found.proven) == ((EVERY[2],), False)
    assert "they differ" not in found.lines()[0]


def test_what_agrees_as_it_is_is_not_narrowed() -> None:
    found = bisected(lambda _: True)
    assert (found.inputs, found.why, found.tries) == ((), "two builds of it agree here", 1)


def test_what_differs_with_all_as_before_is_its_own_text() -> None:
    found = bisected(lambda _: False)
    assert found.inputs == ()
    assert "differs still: it is its own text, or a new input" in str(found.why)


def test_what_builds_in_neither_way_is_told() -> None:
    assert bisected(lambda _: None).why == "it does not build here"
    assert "does not build" in str(bisected(lambda as_before: None if as_before else False).why)


def test_without_a_changed_input_nothing_is_built() -> None:
    found = bisected(lambda _: False, ())
    assert found.tries == 0
    assert "its own text changed" in str(found.why)
