"""Two package sets: what changed in closures and bits; nothing is the same that was not compared."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import reports
from typer.testing import CliRunner

from orchestrator.cli.app import app
from orchestrator.ground.errors import ExitCode, TallyError
from orchestrator.ground.state import State
from orchestrator.ledger.entries import Verdict
from orchestrator.ledger.sets import Change
from orchestrator.stories.package_sets import compare_sets, exit_code


@pytest.fixture
def states(tmp_path: Path) -> tuple[State, State]:
    return State(tmp_path / "one"), State(tmp_path / "other")


def test_each_kind_of_change_is_named(states: tuple[State, State]) -> None:
    same, gone, came = (reports.simple(name) for name in ("same", "gone", "came"))
    closure = [replace(reports.simple("closure", version=each), content="equal") for each in ("1.0", "1.1")]
    bits = [replace(reports.simple("bits"), content=each) for each in ("one", "other")]
    both = [reports.simple("both", version=each) for each in ("1.0", "1.1")]
    torn = [reports.simple("torn"), reports.chain("torn")]
    broken = [reports.simple("broken", Verdict.FAILED), reports.simple("broken")]
    pairs = zip(closure, bits, both, torn, broken, strict=True)
    for state, own, packages in zip(states, (gone, came), pairs, strict=False):
        reports.write_run(state, 1, [same, own, *packages])
    found = {each.target: each for each in compare_sets(*states)}
    assert {name: each.change for name, each in found.items()} == {
        "same": Change.NONE,
        "gone": Change.LACKING,
        "came": Change.LACKING,
        "closure": Change.CLOSURE,
        "bits": Change.BITS,
        "both": Change.BOTH,
        "torn": Change.UNKNOWN,
        "broken": Change.UNKNOWN,
    }
    assert found["both"].inputs == (("both-1.0", "both-1.1"),)
    assert found["gone"].verdicts == ("agreed", None)


@pytest.mark.parametrize(
    ("packages", "code"),
    [
        ([["same"], ["same"]], ExitCode.YES),
        ([["same"], ["same", "more"]], ExitCode.NO),
    ],
)
def test_a_yes_needs_all(states: tuple[State, State], packages: list[list[str]], code: ExitCode) -> None:
    for state, names in zip(states, packages, strict=True):
        reports.write_run(state, 1, [reports.simple(name) for name in names])
    assert exit_code(compare_sets(*states)) is code


def test_what_has_no_bits_is_undecided_and_not_the_same(states: tuple[State, State]) -> None:
    for state in states:
        reports.write_run(state, 1, [reports.simple("broken", Verdict.FAILED), reports.simple("fine")])
    assert exit_code(compare_sets(*states)) is ExitCode.UNDECIDED
    assert exit_code(()) is ExitCode.UNDECIDED


def test_the_last_result_counts(states: tuple[State, State]) -> None:
    one, other = states
    reports.write_run(one, 1, [reports.simple("app", Verdict.FAILED)])
    reports.write_run(one, 2, [reports.simple("app")])
    reports.write_run(other, 1, [reports.simple("app")])
    assert exit_code(compare_sets(one, other)) is ExitCode.YES


def test_the_command_takes_folders_and_files(states: tuple[State, State], tmp_path: Path) -> None:
    one, other = states
    for state, version in zip(states, ("1.0", "1.1"), strict=True):
        reports.write_run(state, 1, [reports.simple("app", version=version), reports.simple("same")])
    words = ["compare", str(one.root), str(other.ledger)]
    ran = CliRunner().invoke(app, words)
    assert "app: closure and bits (agreed and agreed)\n    app-1.0 -> app-1.1" in ran.output
    assert "1 of 2 packages the same" in ran.output
    shown = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert {each["target"]: each["change"] for each in shown["packages"]} == {
        "app": "closure and bits",
        "same": "same",
    }


def test_what_is_no_ledger_is_something_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert State.named(str(tmp_path / "file")) is None
    assert State.named(str(tmp_path)) is None
    (tmp_path / "ledger.sqlite").write_text("no database at all")
    damaged = State.named(str(tmp_path))
    assert damaged is not None
    with pytest.raises(TallyError, match=r"damaged|no ledger"):
        compare_sets(damaged, damaged)
