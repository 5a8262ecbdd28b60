"""`tally build --sarif`: what code scanning shows of a build."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.agreement.agreement import DifferingOutput, Disagreed, Incomplete
from orchestrator.agreement.cause import Cause
from orchestrator.agreement.difference import Difference
from orchestrator.agreement.trees import Kind
from orchestrator.builders.build import Failure
from orchestrator.cli.build_sarif import sarif
from orchestrator.ground.digest import NarHash
from orchestrator.ground.errors import TallyError
from orchestrator.run.outcome import Outcome, Refused, Undecided, Unpublished

OUTPUT = DifferingOutput(
    "drv", "out", "/nix/store/x", {name: NarHash.of(name.encode()) for name in "ab"}, inherited=False
)
DRV = f"/nix/store/{'0' * 32}-lib-1.0.drv"


def refused(target: str, *culprits: str, offset: int = 3) -> Refused:
    difference = Difference("bin/x", Kind.CONTENT, ("a", "b"), (9, 9), offset, ("", ""), Cause.UNKNOWN)
    return Refused(target, Disagreed((), (OUTPUT,), culprits), Path("/kept"), {OUTPUT.path: (difference,)})


def run_of(*outcomes: Outcome) -> Any:
    (run,) = sarif(outcomes)["runs"]
    return run


def test_each_that_diverged_first_is_a_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("recipes").mkdir()
    Path("recipes", "app.toml").write_text("")
    other = DRV.replace("lib", "tool")
    results = run_of(refused("app", DRV, other))["results"]
    assert [each["properties"]["derivation"] for each in results] == [DRV, other]
    assert [each["ruleId"] for each in results] == ["differs", "differs"]
    assert results[0]["message"]["text"].splitlines()[0] == "lib-1.0 is the first to diverge in app"
    places = {each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for each in results}
    assert places == {"recipes/app.toml"}


def test_an_alert_stays_the_same_while_inputs_change() -> None:
    moved = DRV.replace("0" * 32, "1" * 32)
    one, other = (run_of(refused("app", each))["results"][0] for each in (DRV, moved))
    assert one["partialFingerprints"] == other["partialFingerprints"]
    assert one["partialFingerprints"] != run_of(refused("b", DRV))["results"][0]["partialFingerprints"]


def test_what_failed_is_no_result() -> None:
    failure = Failure(DRV, "it [fails](x)", last_lines=(), log=None)
    found = run_of(
        Undecided("app", Incomplete((), {"a": (failure,)})),
        Unpublished("other", None, TallyError("it is there already")),
    )
    assert found["results"] == []
    (invocation,) = found["invocations"]
    assert not invocation["executionSuccessful"]
    texts = [each["message"]["text"] for each in invocation["toolExecutionNotifications"]]
    assert texts[0].startswith("app: failed\n")
    assert "\\[fails\\]" in texts[0], "a link of others' choice"
    assert texts[1] == "other: unpublished\nit is there already"


def test_a_target_whose_name_no_file_can_have_has_a_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("flake.nix").write_text("")
    (result,) = run_of(refused(f".#{'a' * 300}", DRV))["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "flake.nix"
