"""Culprits in graphs of 1,000 derivations: all that can be told are named, and no other."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from synthetic import Synthetic, synthetic

from orchestrator.agreement.culprits import differing
from orchestrator.builders.build import Report

NODES = 1000


def named(one: Synthetic, reports: list[Report]) -> set[str]:
    return {each.derivation for each in differing(one.graph, reports) if not each.inherited}


def apart(one: Synthetic, count: int, seed: int) -> set[str]:
    """So many derivations of which none is below another one."""
    chance = random.Random(seed)
    chosen: set[str] = set()
    spoken: set[str] = set()
    for path in chance.sample(sorted(one.graph.derivations), len(one.graph.derivations)):
        below = set(one.graph.below(path).derivations)
        if path not in spoken and chosen.isdisjoint(below) and len(chosen) < count:
            chosen.add(path)
            spoken |= below
    return chosen


def sees(one: Synthetic, culprits: set[str]) -> set[str]:
    """Which culprits see another one's difference, by what the graph passes on and not by hashes."""
    differs: set[str] = set()
    spoiled: set[str] = set()
    found = set()
    for drv in one.graph.in_build_order():
        inherits = not spoiled.isdisjoint(drv.input_derivations)
        if drv.path in culprits and inherits:
            found.add(drv.path)
        if drv.path in culprits or (drv.path in one.passes and not differs.isdisjoint(drv.input_derivations)):
            differs.add(drv.path)
        if drv.path in differs or (drv.path in one.refers and inherits):
            spoiled.add(drv.path)
    return found


@pytest.mark.parametrize("count", [0, 1, 3, 30])
@pytest.mark.parametrize("seed", range(3))
def test_culprits_that_do_not_stand_on_each_other_are_all_named_and_no_other(count: int, seed: int) -> None:
    one = synthetic(NODES, seed)
    culprits = apart(one, count, seed)
    assert named(one, [one.report("a", culprits), one.report("b", culprits)]) == culprits


@pytest.mark.parametrize("passing", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_what_sees_another_difference_is_not_blamed_for_it(passing: float, seed: int) -> None:
    one = synthetic(NODES, seed, passing=passing)
    culprits = set(random.Random(seed).sample(sorted(one.graph.derivations), 30))
    reports = [one.report(name, culprits) for name in ("a", "b", "c")]
    assert named(one, reports) == culprits - sees(one, culprits)


def test_one_that_is_flaky_in_one_run_of_four_is_named_in_that_run() -> None:
    one = synthetic(NODES, 7)
    (flaky,) = apart(one, 1, 7)
    runs = [one.report("a", {flaky} if run == 2 else (), run=run) for run in range(4)]
    found = [named(one, [runs[run], one.report("b", ())]) for run in range(4)]
    assert found == [set(), set(), {flaky}, set()]


def test_one_that_its_builder_does_not_make_again_is_named() -> None:
    one = synthetic(NODES, 8)
    (flaky,) = apart(one, 1, 8)
    reports = [one.report("a", (), again=[flaky]), one.report("b", ())]
    (found,) = differing(one.graph, reports)
    assert found.derivation == flaky
    assert set(found.hashes) == {"a", "a (earlier)", "b"}


def test_one_that_was_made_twice_from_the_same_inputs_is_named_whatever_it_inherits() -> None:
    one = synthetic(NODES, 9, passing=1.0)
    upper = one.graph.roots[0]
    (lower,) = apart(one, 1, 9) - {upper}
    reports = [one.report("a", {lower}, again=[upper]), one.report("b", {lower})]
    assert named(one, reports) == {lower}
    build = reports[0].builds[upper]
    second = {of: replace(each, repeated=True) for of, each in build.unstable.items()}
    repeated = replace(build, unstable=second)
    reports[0] = replace(reports[0], builds={**reports[0].builds, upper: repeated})
    assert named(one, reports) == {lower, upper}
