"""Verdicts of a run's derivations: what failed is never what differs, and neither is guessed."""

from __future__ import annotations

from dataclasses import replace

from synthetic import SANDBOX, Synthetic, derivation, synthetic

from orchestrator.builders.build import Failure, Report
from orchestrator.ledger.entries import Verdict
from orchestrator.ledger.judging import judge
from orchestrator.nix.derivation import DerivationGraph

LIB = derivation("lib")
APP = derivation("app", [LIB])
ONE = Synthetic(
    DerivationGraph({LIB.path: LIB, APP.path: APP}, (APP.path,)), frozenset({APP.path}), frozenset()
)


def test_builders_that_made_the_same_agree() -> None:
    reports = [ONE.report("a", ()), ONE.report("b", ())]
    found = judge(ONE.graph, reports, 2, "same-host")
    assert found.verdicts == {LIB.path: Verdict.AGREED, APP.path: Verdict.AGREED}
    assert not found.culprits
    varied = judge(ONE.graph, reports, 2, "same-host", varied=True)
    assert set(varied.verdicts.values()) == {Verdict.VARIED}


def test_what_differs_is_told_from_what_is_flaky() -> None:
    found = judge(ONE.graph, [ONE.report("a", {LIB.path}), ONE.report("b", {LIB.path})], 2, "same-host")
    assert found.verdicts == {LIB.path: Verdict.DIFFERS, APP.path: Verdict.DIFFERS}
    assert found.culprits == {LIB.path}
    again = [ONE.report("a", (), again=[LIB.path]), ONE.report("b", ())]
    found = judge(ONE.graph, again, 2, "same-host")
    assert found.verdicts == {LIB.path: Verdict.FLAKY, APP.path: Verdict.AGREED}


def without_app(report: Report, *, infrastructure: bool = False) -> Report:
    failure = Failure(APP.path, "exit code 1", (), None, infrastructure=infrastructure)
    return replace(report, builds={}, failures=(failure,))


def test_a_build_that_failed_is_no_difference_and_what_is_below_it_counts() -> None:
    found = judge(ONE.graph, [ONE.report("a", ()), without_app(ONE.report("b", ()))], 2, "same-host")
    assert found.verdicts == {LIB.path: Verdict.AGREED, APP.path: Verdict.FAILED}


def test_a_builder_that_could_not_work_leaves_it_undecided() -> None:
    lost = without_app(ONE.report("b", ()), infrastructure=True)
    found = judge(ONE.graph, [ONE.report("a", ()), lost], 2, "same-host")
    assert found.verdicts[APP.path] is Verdict.UNDECIDED


def test_two_of_three_that_agree_and_one_that_differs_differ() -> None:
    reports = [ONE.report("a", ()), ONE.report("b", ()), ONE.report("c", {APP.path})]
    found = judge(ONE.graph, reports, 2, "same-host")
    assert found.verdicts[APP.path] is Verdict.DIFFERS


def test_a_builder_without_a_proven_sandbox_counts_for_nothing() -> None:
    unproven = replace(ONE.report("b", {APP.path}), sandbox=None)
    found = judge(ONE.graph, [ONE.report("a", ()), unproven], 2, "same-host")
    assert set(found.verdicts.values()) == {Verdict.UNDECIDED}
    assert SANDBOX is not None


def test_builders_on_one_host_have_one_vote_where_hosts_count() -> None:
    reports = [ONE.report("a", ()), ONE.report("b", ())]
    found = judge(ONE.graph, reports, 2, "separate-hosts")
    assert set(found.verdicts.values()) == {Verdict.UNDECIDED}


def test_what_nobody_has_has_no_verdict() -> None:
    assert judge(ONE.graph, [], 2, "same-host").verdicts == {}


def test_a_thousand_are_judged_at_once() -> None:
    one = synthetic(1000, 1)
    found = judge(one.graph, [one.report("a", ()), one.report("b", ())], 2, "same-host")
    assert len(found.verdicts) == 1000
