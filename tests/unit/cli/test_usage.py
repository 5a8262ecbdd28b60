"""Command lines that make no sense are refused before anything is read, with the way out."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Tally = Callable[..., tuple[int, str]]


@pytest.fixture
def tally_here(tmp_path: Path) -> Tally:
    """Runs `tally` in a folder with one recipe file, and gives its exit code and what it said."""
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes/hello.toml").write_text("never read")

    def run(*words: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "orchestrator.cli", *words],
            cwd=tmp_path,
            env={**os.environ, "TALLY_STATE": str(tmp_path / "state")},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stderr

    return run


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("--nope",), "see `tally --help`"),
        (("verify", "--nope"), "see `tally verify --help`"),
        (("keys", "generate"), "see `tally keys generate --help`"),
    ],
)
def test_the_hint_names_the_help_of_the_command_that_was_misused(
    tally_here: Tally, words: tuple[str, ...], hint: str
) -> None:
    code, said = tally_here(*words)
    assert (code, said.splitlines()[-1]) == (2, f"hint: {hint}")


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (("hello",), "there is no recipe file hello", "did you mean recipes/hello.toml?"),
        (("none.toml",), "there is no recipe file none.toml", "recipes/hello.toml"),
        (("recipes",), "there is no recipe file recipes", "--all"),
        (("recipes/hello.toml", "--all"), "--all and recipes were both given", "not both"),
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
