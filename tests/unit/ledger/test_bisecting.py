"""By which change a target stopped agreeing: the fewest changes from anything that agreed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.ground.state import State
from orchestrator.ledger.bisecting import since_which
from orchestrator.ledger.change import sentence
from orchestrator.ledger.course import courses
from orchestrator.ledger.entries import Depth, Result, Verdict
from orchestrator.ledger.reading import read
from orchestrator.ledger.writing import Pen
from orchestrator.nix.derivation import Derivation, DerivationGraph
from orchestrator.report.gathering import Gathering

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


def derivation(name: str, *inputs: Derivation) -> Derivation:
    digits = "".join(each.path[11] for each in inputs).rjust(31, "0")
    path = f"/nix/store/{name[-1]}{digits}-{name}.drv"
    uses = {each.path: ("out",) for each in inputs}
    return Derivation(path, "x86_64-linux", "/bin/sh", (), {"name": name}, {}, None, uses, ())


LIB = [derivation(f"lib-1.{n}") for n in range(3)]
TOOL = [derivation(f"tool-2.{n}") for n in range(3)]


class Days:
    """A ledger with a run a day."""

    def __init__(self, root: Path) -> None:
        self.state, self._number = State(root), 0

    def run(self, target: str, app: Derivation, verdict: Verdict, culprit: Derivation | None = None) -> None:
        self._number += 1
        below = (each for group in (LIB, TOOL) for each in group if each.path in app.input_derivations)
        graph = DerivationGraph({each.path: each for each in (*below, app)}, (app.path,))
        pen = Pen(self.state, f"run-{self._number}")
        pen.begin(2, "same-host")
        pen.graph(graph)
        verdicts = dict.fromkeys(graph.derivations, Verdict.AGREED) | {app.path: verdict}
        pen.verdicts(verdicts, [] if culprit is None else [culprit.path])
        time, name = NOON + timedelta(days=self._number), f"run-{self._number}"
        depth = Depth(3)
        pen.result(
            Result(name, target, app.path, app.path, target, None, "x86_64-linux", verdict, time, depth)
        )
        pen.end()

    def since_which(self, target: str) -> tuple[tuple[str, str], ...]:
        with read(self.state) as ledger:
            (course,) = (each for each in courses(ledger.results()) if each.target == target)
            return since_which(ledger, course)


@pytest.fixture
def days(tmp_path: Path) -> Days:
    return Days(tmp_path)


def app(lib: int, tool: int) -> Derivation:
    return derivation("app-3.0", LIB[lib], TOOL[tool])


def test_all_that_changed_where_nothing_nearer_agreed(days: Days) -> None:
    days.run("app", app(0, 0), Verdict.AGREED)
    days.run("app", app(1, 1), Verdict.DIFFERS, app(1, 1))
    assert days.since_which("app") == (("lib-1.0", "lib-1.1"), ("tool-2.0", "tool-2.1"))


def test_what_agreed_for_another_target_narrows_it(days: Days) -> None:
    days.run("app", app(0, 0), Verdict.AGREED)
    days.run("other", app(1, 0), Verdict.AGREED)
    days.run("app", app(1, 1), Verdict.DIFFERS, app(1, 1))
    assert days.since_which("app") == (("tool-2.0", "tool-2.1"),)


def test_what_was_flaky_once_narrows_nothing(days: Days) -> None:
    days.run("app", app(0, 0), Verdict.AGREED)
    days.run("other", app(1, 0), Verdict.FLAKY, app(1, 0))
    days.run("other", app(1, 0), Verdict.AGREED)
    days.run("app", app(1, 1), Verdict.DIFFERS, app(1, 1))
    assert days.since_which("app") == (("lib-1.0", "lib-1.1"), ("tool-2.0", "tool-2.1"))


def test_a_run_that_could_not_decide_says_nothing(days: Days) -> None:
    days.run("app", app(0, 0), Verdict.AGREED)
    days.run("other", app(1, 0), Verdict.UNDECIDED)
    days.run("app", app(1, 1), Verdict.DIFFERS, app(1, 1))
    assert len(days.since_which("app")) == 2


def test_what_agrees_or_never_did_turned_by_nothing(days: Days) -> None:
    days.run("app", app(0, 0), Verdict.AGREED)
    days.run("other", app(1, 0), Verdict.DIFFERS, app(1, 0))
    assert days.since_which("app") == days.since_which("other") == ()


def test_one_that_agreed_as_it_is_blames_no_input(days: Days) -> None:
    days.run("other", app(1, 1), Verdict.AGREED)
    days.run("app", app(0, 0), Verdict.AGREED)
    days.run("app", app(1, 1), Verdict.DIFFERS, app(1, 1))
    assert days.since_which("app") == ()


def test_a_report_and_a_history_say_the_same(days: Days) -> None:
    days.run("app", app(0, 0), Verdict.AGREED)
    days.run("other", app(1, 0), Verdict.AGREED)
    days.run("app", app(1, 1), Verdict.DIFFERS, app(1, 1))
    days.run("app", app(1, 1), Verdict.UNDECIDED)
    days.run("app", app(1, 1), Verdict.DIFFERS, app(1, 1))
    with read(days.state) as ledger:
        packages = Gathering(ledger, days.state, "Builds").report.packages
    because = {each.name: each.because for each in packages}
    assert because == {"app": "tool 2.0 → 2.1", "other": None}
    assert sentence(days.since_which("app")) == because["app"]
