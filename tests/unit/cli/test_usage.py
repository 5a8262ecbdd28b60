"""Command lines that make no sense are refused before anything is read, with the way out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.cli.recipes import example

if TYPE_CHECKING:
    from tests.conftest import TallyIn

Tally = Callable[..., tuple[int, str]]
Inside = Callable[..., tuple[int, str, str]]


@pytest.fixture
def tally_here(tmp_path: Path, tally_in: TallyIn) -> Tally:
    """Runs `tally` in a folder with one recipe file, and gives its exit code and what it said."""
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes/hello.toml").write_text("never read")

    def run(*words: str) -> tuple[int, str]:
        done = tally_in(tmp_path, TALLY_STATE=str(tmp_path / "state"))(*words)
        return done.code, done.err

    return run


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("--nope",), "see `tally --help`"),
        (("verify", "--nope"), "see `tally verify --help`"),
        (("keys", "generate"), "write `tally keys generate keys/release`. See `tally keys generate --help`"),
        (("verify", "x", "--key"), "see `tally verify --help`"),
        (("policy", "explain", "x", "--policy"), "see `tally policy explain --help`"),
    ],
)
def test_the_hint_names_the_help_of_the_command_that_was_misused(
    tally_here: Tally, words: tuple[str, ...], hint: str
) -> None:
    code, said = tally_here(*words)
    assert (code, said.splitlines()[-1]) == (2, f"hint: {hint}")


def test_a_hint_names_a_recipe_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert example() == "recipes/NAME.toml"
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes/word.toml").touch()
    assert example() == "recipes/word.toml"


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (("hello",), "there is no recipe file hello", "did you mean recipes/hello.toml?"),
        (("none.toml",), "there is no recipe file none.toml", "recipes/hello.toml"),
        (("recipes",), "there is no recipe file recipes", "--all"),
        (("recipes/hello.toml", "--all"), "--all and targets were both given", "not both"),
        (("recipes/hello.toml", "--no-sign", "--key", "k"), "--no-sign and --key", "one of the two"),
    ],
)
def test_a_build_of_nothing_is_refused_before_a_key_is_asked_for(
    tally_here: Tally, words: tuple[str, ...], message: str, hint: str
) -> None:
    code, said = tally_here("build", *words)
    first, last = said.splitlines()
    assert code == 2
    assert message in first
    assert hint in last


@pytest.mark.parametrize("words", [["schema", "recipe"], ["--version"], ["doctor", "--json"]])
def test_a_reader_that_leaves_changes_nothing(words: list[str], repository: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "orchestrator.cli", *words]
    environment = {**os.environ, "TALLY_STATE": str(tmp_path)}
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as unread:
        left = subprocess.run(
            command, cwd=repository, env=environment, stdout=unread, stderr=subprocess.PIPE, check=False
        )
    heard = subprocess.run(command, cwd=repository, env=environment, capture_output=True, check=False)
    assert left.returncode == heard.returncode
    assert left.stderr == heard.stderr


@pytest.fixture
def tally_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Inside:
    """Runs `tally` in this process, in an empty folder: its exit code, what it answered, what it said."""
    from orchestrator.cli import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TALLY_STATE", str(tmp_path / "state"))

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tally", *words])
        code = main._run()
        said = capsys.readouterr()
        return int(code), said.out, said.err

    return run


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("build --sgin", "--no-sign"),
        ("build --sign", "--no-sign"),
        ("build --allow_dirty", "--allow-dirty"),
        ("build --passphrase 3", "--passphrase-fd"),
        ("build --dirty", "--allow-dirty"),
        ("verify --polcy x", "--policy"),
        ("verify --root x", "--trusted-root"),
        ("keys generate --passphrase-file x", "--passphrase-fd"),
        ("doctor --josn", "--json"),
        ("--versoin", "--version"),
    ],
)
def test_a_mistyped_option_is_met_with_the_nearest_of_its_command(
    tally_inside: Inside, words: str, meant: str
) -> None:
    code, _, said = tally_inside(*words.split())
    assert code == 2
    assert f"hint: did you mean {meant}" in said
    assert "Possible options" not in said


def test_an_option_like_no_other_is_met_with_the_help(tally_inside: Inside) -> None:
    assert "hint: see `tally build --help`" in tally_inside("build", "--zzzzz")[2]


def commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command that has `--json`."""
    if any("--json" in parameter.opts for parameter in command.params):
        yield words
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, (*words, name))


def test_an_error_of_every_command_with_json_is_one_document(tally_inside: Inside) -> None:
    import typer.main

    from orchestrator.cli.app import app

    every = list(commands(typer.main.get_command(app)))
    assert ("build",) in every
    assert ("policy", "explain") in every
    for command in every:
        code, out, said = tally_inside(*command, "--json", "--no-such")
        document = json.loads(out)
        assert set(document) == {"error", "message", "hint", "code"}
        assert (document["error"], document["code"], code) == ("usage", 2, 2), command
        assert document["message"] in said


@pytest.mark.parametrize(
    "words",
    [
        "build none.toml",
        "plan none.toml",
        "lock",
        "keys show none.pub",
        "policy check none.toml",
        "verify r --key k",
    ],
)
def test_an_error_is_told_on_both_streams(tally_inside: Inside, words: str) -> None:
    code, out, said = tally_inside(*words.split(), "--json")
    document = json.loads(out)
    documents = document if isinstance(document, list) else [document]
    assert code == 2
    assert all(each["hint"] is None or each["hint"].split("\n")[0] in said for each in documents)
    assert not tally_inside(*words.split())[1]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("build --all", f"there is no recipe in {os.sep}"),
        ("build", "no target was named"),
        ("verify r", "nothing says whom to trust: --key, --identity or --policy is missing"),
        ("verify r --key k --policy p", "give one of --key, --identity and --policy, not several"),
    ],
)
def test_what_is_missing_is_not_told_as_what_is_too_much(
    tally_inside: Inside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, said = tally_inside(*words.split())
    assert code == 2
    assert f"tally: error: {says}" in said


def test_a_word_behind_two_dashes_asks_for_nothing(tally_inside: Inside) -> None:
    assert tally_inside("plan", "--", "--json")[1] == ""
