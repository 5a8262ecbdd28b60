"""What a run writes into the ledger, and that a run is not lost where it cannot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from synthetic import SANDBOX, Synthetic, derivation

from orchestrator.builders.build import Failure, Identity
from orchestrator.builders.builder import Builder, Probed
from orchestrator.builders.host import HostFacts
from orchestrator.builders.vouching import Vouched
from orchestrator.ground.errors import TallyError
from orchestrator.ground.state import State
from orchestrator.ledger.entries import How
from orchestrator.ledger.judging import judge
from orchestrator.ledger.reading import read
from orchestrator.ledger.writing import Pen
from orchestrator.nix.derivation import DerivationGraph
from orchestrator.nix.events import BuildFinished, BuildStarted
from orchestrator.run.account import Account

LIB = derivation("lib")
APP = derivation("app", [LIB])
ONE = Synthetic(DerivationGraph({LIB.path: LIB, APP.path: APP}, (APP.path,)), frozenset(), frozenset())


def builder(name: str, folder: Path) -> Builder:
    store = cast("Any", object())  # that of another host, which is not asked of each build
    facts = HostFacts(None, None)
    return Builder(name, "ssh-ng://b", store, folder, lambda: facts, lambda *_: Vouched())


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def account(tmp_path: Path, said: list[str]) -> Account:
    builders = {name: builder(name, tmp_path / "logs" / "1" / name) for name in "ab"}
    return Account(Pen(State(tmp_path), "1"), ONE.graph, builders, frozenset(), said.append)


def built(account: Account, name: str, path: str, *, checking: bool = False) -> None:
    account.take(name, BuildStarted(path, checking))
    account.take(name, BuildFinished(path))


def test_what_was_built_in_the_run_is_told_from_what_stores_held(account: Account, tmp_path: Path) -> None:
    account.begin(2, "same-host")
    with account.following():
        built(account, "a", LIB.path)
        for name in "ab":
            built(account, name, APP.path, checking=name == "b")
    reports = [ONE.report("a", ()), ONE.report("b", ())]
    account.close(reports, judge(ONE.graph, reports, 2, "same-host"))
    with read(State(tmp_path)) as ledger:
        found = {(e.builder.name, e.derivation): e for e in ledger.entries_of("1")}
        assert set(ledger.verdicts("1")) == {LIB.path, APP.path}
    assert {key: each.how for key, each in found.items()} == {
        ("a", LIB.path): How.BUILT,
        ("a", APP.path): How.BUILT,
        ("b", LIB.path): How.HELD,
        ("b", APP.path): How.CHECKED,
    }
    assert found["a", LIB.path].log == "logs/1/a/lib.log"
    depth = account.depth(ONE.graph, believed=0)
    assert (depth.derivations, depth.built, depth.held) == (2, 1, 1)
    assert depth.sentence == "1 of 2 derivations built in this run, 1 held from earlier builds"


def test_what_was_built_from_what_was_altered_counts_for_nothing(account: Account, tmp_path: Path) -> None:
    account.begin(None, "same-host")
    altered = Failure(None, "/nix/store/x was altered in its store", (), None)
    lost = Failure(None, "its host was lost", (), None, infrastructure=True)
    reports = [replace(ONE.report(name, ()), failures=(why,)) for name, why in (("a", altered), ("b", lost))]
    account.close(reports, judge(ONE.graph, reports, 2, "same-host"))
    with read(State(tmp_path)) as ledger:
        assert {e.builder.name: e.builder.proven for e in ledger.entries_of("1")} == {"a": False, "b": True}


def test_a_failure_is_kept_with_its_reason(account: Account, tmp_path: Path) -> None:
    account.begin(None, "same-host")
    failure = Failure(APP.path, "exit code 1", (), tmp_path / "logs" / "1" / "b" / "app.log")
    failed = replace(ONE.report("b", ()), builds={}, failures=(failure, Failure(None, "x", (), None)))
    reports = [ONE.report("a", ()), failed]
    account.close(reports, judge(ONE.graph, reports, 2, "same-host"))
    with read(State(tmp_path)) as ledger:
        (entry,) = [e for e in ledger.entries_of("1") if e.how is How.FAILED]
        assert {e.builder.name: e.builder.proven for e in ledger.entries_of("1")} == {"a": True, "b": False}
    assert (entry.derivation, entry.reason, entry.log) == (APP.path, "exit code 1", "logs/1/b/app.log")


def test_a_ledger_that_cannot_be_begun_stops_the_run_and_one_that_breaks_does_not(
    account: Account, said: list[str], tmp_path: Path
) -> None:
    account.begin(2, "same-host")
    State(tmp_path).ledger.write_bytes(b"x" * 5000)
    for beside in tmp_path.glob("ledger.sqlite-*"):
        beside.unlink()
    account.proven("a", Probed(Identity("a", "ssh-ng://b"), SANDBOX, cast("Any", None)))
    reports = [ONE.report("a", ()), ONE.report("b", ())]
    account.close(reports, judge(ONE.graph, reports, 2, "same-host"))
    (warning,) = said
    assert "this run is not whole in the ledger" in warning
    with pytest.raises(TallyError, match="is damaged"):
        account.begin(2, "same-host")


def test_what_a_spare_holds_is_not_known_of_it(tmp_path: Path) -> None:
    for spare, reached in ((False, (1, 1, True)), (True, (1, 0, False))):
        builders = {
            name: replace(builder(name, tmp_path / name), spare=spare and name == "b") for name in "ab"
        }
        one = Account(Pen(State(tmp_path), "1"), ONE.graph, builders, frozenset([LIB.path]), lambda _: None)
        for name in "ab":
            built(one, name, APP.path)
        depth = one.depth(ONE.graph, believed=0)
        assert (depth.built, depth.known, depth.deep) == reached
