"""Shell completion: Typer's own, for every command, and never a traceback."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TALLY = Path(sys.executable).parent / "tally"
SHELLS = ("bash", "zsh", "fish", "powershell", "pwsh")


def asked(tmp_path: Path, *words: str, **variables: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [TALLY, *words],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def completed(tmp_path: Path, line: str) -> set[str]:
    words = line.split(" ")
    said = asked(tmp_path, _TALLY_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=str(len(words) - 1))
    assert (said[0], said[2]) == (0, "")
    return set(said[1].split())


@pytest.mark.parametrize(
    ("line", "among"),
    [
        ("tally b", {"build", "builder"}),
        ("tally build --key", {"--key", "--keyless"}),
        ("tally keys ", {"generate", "show", "rotate"}),
        ("tally policy ", {"check", "explain"}),
        ("tally --", {"--help", "--version", "--install-completion", "--show-completion"}),
    ],
)
def test_commands_and_options_are_completed(tmp_path: Path, line: str, among: set[str]) -> None:
    found = completed(tmp_path, line)
    assert among <= found
    assert all(each.startswith(line.rsplit(" ", maxsplit=1)[-1]) for each in found)


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_gets_its_script(tmp_path: Path, shell: str) -> None:
    code, script, said = asked(tmp_path, _TALLY_COMPLETE=f"source_{shell}")
    assert (code, said) == (0, "")
    assert f"complete_{shell.replace('pwsh', 'powershell')}" in script
    assert "_TALLY_COMPLETE" in script


def test_bash_completes_by_its_script(tmp_path: Path) -> None:
    _, script, _ = asked(tmp_path, _TALLY_COMPLETE="source_bash")
    ask = "COMP_WORDS=(tally ver); COMP_CWORD=1; _tally_completion tally; echo ${COMPREPLY[@]}"
    done = subprocess.run(
        [shutil.which("bash") or "bash", "--norc", "-c", f"{script}\n{ask}"],
        env={"PATH": f"{TALLY.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "verify\n"


@pytest.mark.parametrize(
    "variable",
    ["", "x", "_", "source_", "source_tcsh", "complete_bash", "complete_tcsh", "give_bash", "\udcff"],
)
def test_what_is_no_question_is_refused_in_a_sentence(tmp_path: Path, variable: str) -> None:
    """`complete_bash` comes without the words that bash would give."""
    code, _, said = asked(tmp_path, "schema", "--nope", _TALLY_COMPLETE=variable)
    assert code == 2
    if variable:
        assert "tally: error: there is no completion for _TALLY_COMPLETE=" in said
        assert "source_bash" in said.splitlines()[-1]


def test_fish_is_told_by_the_code_whether_there_are_words(tmp_path: Path) -> None:
    asking = {"_TALLY_COMPLETE": "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "is-args"}
    assert asked(tmp_path, _TYPER_COMPLETE_ARGS="tally b", **asking)[0] == 0
    assert asked(tmp_path, _TYPER_COMPLETE_ARGS="tally nothing-like-it", **asking)[0] == 1


def test_it_is_installed_for_the_shell_that_asks(tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "--norc", "-c", f"{TALLY} --install-completion; exit $?"],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "SHELL": "/bin/bash"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "_tally_completion" in (tmp_path / ".bash_completions" / "tally.sh").read_text()


def test_what_is_written_is_told(tmp_path: Path) -> None:
    """Every file of the home folder is named, and what a shell's own one gained."""
    (tmp_path / ".bashrc").write_text("alias x=y\n")
    code, out, said = asked(tmp_path, "--install-completion")
    if code:  # no shell is above this process that Typer knows
        assert "there is no completion" in said
        return
    for file in (each for each in tmp_path.rglob("*") if each.is_file()):
        assert str(file) in out + said, file
    for line in (tmp_path / ".bashrc").read_text().splitlines():
        assert not line or (line in said) == (line != "alias x=y")


def test_a_shells_file_in_another_encoding(tmp_path: Path) -> None:
    (tmp_path / ".bashrc").write_bytes(b"caf\xe9\n")
    code, _, said = asked(tmp_path, "--install-completion")
    assert code == 2
    assert f"{tmp_path}/.bashrc is not in UTF-8" in said
    assert [each.name for each in tmp_path.iterdir()] == [".bashrc"]
