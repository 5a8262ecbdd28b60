"""What is told of failed builds and of verdicts: each thing once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.agreement.agreement import Incomplete
from orchestrator.builders.build import Failure, Identity, Report
from orchestrator.cli.outcomes import show
from orchestrator.cli.verify import text
from orchestrator.ground.wording import counted
from orchestrator.policy.verdict import Code, Failed, Finding, Passed, Reason
from orchestrator.run.outcome import Undecided

DRV = "/nix/store/1yrm83x23p0fvqsg5dpg7qy2x6kh9kg7-hello-2.10.drv"
RUN, OWN = "the log is known by the release's word", "builder c has no vote"
PASSED = Passed("hello.tar.gz", "0" * 64, ("a", "b"), "same-host", ("f" * 64,), (RUN, OWN), of_the_run=(RUN,))


def shown(capsys: pytest.CaptureFixture[str], **failures: tuple[str, ...]) -> str:
    """What is said of builders that each failed with these lines."""
    told = {
        name: (Failure(DRV, "it failed", lines, Path(f"/logs/{name}")),) for name, lines in failures.items()
    }
    reports = tuple(Report(Identity(name, "local"), None, {}, {}, ()) for name in failures)
    show(Undecided("hello", Incomplete(reports, told)), quiet=False)
    return capsys.readouterr().err


def test_builders_that_fail_alike_are_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    said = shown(capsys, a=("cc: not found", "stop"), b=("cc: not found", "stop"))
    assert said.count("cc: not found") == 1
    assert "on a and b hello-2.10.drv: it failed" in said
    assert "whole log: /logs/a\n" in said and "whole log: /logs/b\n" in said


def test_builders_that_fail_otherwise_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    said = shown(capsys, a=("cc: not found",), b=("no space left",), c=("cc: not found",))
    assert "on a and c hello" in said and "builder b hello" in said
    assert (said.count("cc: not found"), said.count("no space left")) == (1, 1)


def test_a_notice_about_the_run_comes_once_and_one_about_a_release_with_each() -> None:
    told: set[str] = set()
    said = "\n".join(text(Path(name), PASSED, told) for name in ("one", "two"))
    assert (said.count(RUN), said.count(OWN)) == (1, 2)
    assert RUN in text(Path("one"), PASSED), "where nothing is kept of what was told"


def test_the_policys_names_stand_beside_the_keys() -> None:
    named = replace(PASSED, names={"f" * 64: ("release", "old release")})
    assert f"signed by {'f' * 64} (release, old release)\n" in text(Path("x"), named)
    assert f"signed by {'f' * 64}\n" in text(Path("x"), PASSED)


def test_a_reason_is_told_once() -> None:
    reason = Reason(Code.LICENCE_DENIED, "the licence of hello is GPL-3.0-or-later")
    other = replace(reason, sentence="the licence of zlib is Zlib")
    assert Finding("licences", "2 packages", (reason, reason, other)).reasons == (reason, other)
    assert Failed((reason, other, reason)).reasons == (reason, other)


@pytest.mark.parametrize("number", range(3))
def test_numbers(number: int) -> None:
    assert counted(number, "set") == ("0 sets", "1 set", "2 sets")[number]
    assert counted(number, "entry", "entries").split()[1] == ("entries", "entry", "entries")[number]
