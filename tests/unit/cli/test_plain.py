"""Command lines that are read without Typer: they mean the same to Typer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli import comparing, judging, plain
from orchestrator.cli.on_demand import command
from orchestrator.ground.errors import ExitCode

READ = [
    "verify a",
    "verify a b oci://h/r:1 --key k",
    "verify --key k a --key l",
    "verify --policy p a --json",
    "verify --json a",
]
LEFT = [
    "",
    "--version",
    "verify",
    "verify --key k",
    "verify a --key",
    "verify a --key=k",
    "verify a -",
    "verify a --key -",
    "verify a --key --json",
    "verify a --policy p --policy q",
    "verify a --json --json",
    "verify -- a",
    "verify a --help",
    "verify a --sarif",
    "verify a --digest sha256:00",
    "fetch a --key k",
    "compare a",
    "compare a b c",
    "compare a --json",
    "compare a b --json --json",
    "compare a b --html f",
    "compare a -b",
    "compare -- a b",
]


@pytest.mark.parametrize("line", READ)
def test_it_means_the_same_to_typer(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words = line.split()
    asked: dict[str, Any] = {}

    def judge(targets: list[str], keys: list[Path], policy: Path | None, *, json: bool) -> ExitCode:
        asked.update(targets=targets, key=keys, policy=policy, json=json)
        return ExitCode.YES

    monkeypatch.setattr(judging, "plain", judge)
    judged = plain.command(words)
    assert judged is not None and judged() == 0
    given: dict[str, Any] = command("verify").make_context("verify", words[1:]).params
    assert asked == {
        "targets": list(given.pop("targets")),
        "key": [Path(each) for each in given.pop("key") or ()],
        "policy": Path(found) if (found := given.pop("policy")) else None,
        "json": given.pop("json"),
    }
    assert not any(given.values()), given


@pytest.mark.parametrize("line", ["compare a b", "compare --json .#a b", "compare a b --json"])
def test_a_comparison_means_the_same_to_typer(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words = line.split()
    asked: dict[str, Any] = {}

    def compared(first: str, second: str, **given: object) -> ExitCode:
        asked.update(first=first, second=second, **given)
        return ExitCode.NO

    monkeypatch.setattr(comparing, "compared", compared)
    answer = plain.command(words)
    assert answer is not None and answer() == 1
    given: dict[str, Any] = command("compare").make_context("compare", words[1:]).params
    assert asked == {name: given.pop(name) for name in ("first", "second", "json")}
    assert not any(given.values()), given


@pytest.mark.parametrize("line", LEFT)
def test_all_else_is_left_to_typer(line: str) -> None:
    assert plain.command(line.split()) is None
    assert plain.command(["verify", "a", ""]) is None


def test_a_shell_that_asks_for_words_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_TALLY_COMPLETE", "complete_bash")
    assert plain.command(["verify", "a"]) is None
