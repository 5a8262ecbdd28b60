"""What is told of failed builds and of verdicts: each thing once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.agreement.agreement import DifferingOutput, Disagreed, Incomplete
from orchestrator.agreement.difference import differences
from orchestrator.agreement.trees import Side
from orchestrator.builders.build import Failure, Identity, Report
from orchestrator.cli.judging import text
from orchestrator.cli.outcomes import show
from orchestrator.ground.nar import nar_hash
from orchestrator.ground.wording import counted
from orchestrator.policy.verdict import Code, Failed, Finding, Passed, Reason
from orchestrator.run.outcome import Refused, Undecided

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


def test_lines_in_another_order_are_told_once_and_what_else_differs_is_not_lost(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As `make -j` prints them; a line that one builder alone has may be the reason."""
    lines = tuple(f"cc -c {number}.c" for number in range(8))
    said = shown(capsys, a=lines, b=(*reversed(lines), "no space left"), c=(*lines, "no space left"))
    assert "on a and b and c hello-2.10.drv: it failed" in said
    assert all(said.count(line) == 1 for line in lines)
    assert "    b has | no space left\n    c has | no space left\n" in said
    assert " has | " not in shown(capsys, a=lines, b=lines[::-1])
    apart = shown(capsys, a=lines, b=(*lines[:5], "no space left"))
    assert "builder a hello" in apart and "builder b hello" in apart


def test_builders_that_fail_otherwise_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    said = shown(capsys, a=("cc: not found",), b=("no space left",), c=("cc: not found",))
    assert "on a and c hello" in said and "builder b hello" in said
    assert (said.count("cc: not found"), said.count("no space left")) == (1, 1)


def test_a_tool_that_every_builder_lacked_is_the_way_out(capsys: pytest.CaptureFixture[str]) -> None:
    lines = ("make: gcc: No such file or directory", "make: *** [all] Error 127")
    said = shown(capsys, a=lines, b=lines)
    assert said.endswith("hint: `gcc` was not found: add it to toolchain.packages\n")
    assert "mend the recipe" in shown(capsys, a=lines, b=("it rained",)), "then it is not that alone"
    assert "hint" not in shown_of_one_of_two(capsys, lines)


def shown_of_one_of_two(capsys: pytest.CaptureFixture[str], lines: tuple[str, ...]) -> str:
    told = {"a": (Failure(DRV, "it failed", lines, Path("/logs/a")),)}
    reports = tuple(Report(Identity(name, "local"), None, {}, {}, ()) for name in "ab")
    show(Undecided("hello", Incomplete(reports, told)), quiet=False)
    return capsys.readouterr().err


def test_a_disagreement_names_the_file_and_the_next_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = "/nix/store/2yrm83x23p0fvqsg5dpg7qy2x6kh9kg7-hello.tar.gz"
    sides = []
    for number, name in enumerate("ab"):
        (tmp_path / name).mkdir()
        file = tmp_path / name / "hello.tar.gz"
        file.write_text(f"made at 09:15:0{number}")
        sides.append(Side(name, file))
    hashes = {side.name: nar_hash(side.path) for side in sides}
    differing = DifferingOutput(DRV, "out", archive, hashes, inherited=False)
    found = {archive: tuple(differences(*sides))}
    show(Refused("hello", Disagreed((), (differing,), (DRV,)), tmp_path, found), quiet=False)
    said = capsys.readouterr().err
    assert (
        "    hello.tar.gz: differs from offset 15 on (16 bytes on a, 16 on b); looks like a timestamp\n"
        in said
    )
    assert f"`diff -r {tmp_path}/a/hello.tar.gz {tmp_path}/b/hello.tar.gz`" in said
    assert "hint: usual cures: SOURCE_DATE_EPOCH in place of the time of day; " in said


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
