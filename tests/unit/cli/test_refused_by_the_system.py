"""What the operating system refuses, a removed working folder: said in a sentence, whatever came of it."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from orchestrator.cli.main import _explained
from orchestrator.ground.errors import ExitCode, TallyError


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "No such file or directory"),
        TallyError("cannot read the key k: No such file or directory", hint="make one"),
    ],
    ids=str,
)
def test_it_is_said(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("PWD", str(here))
    assert _explained(error) == ExitCode.UNDECIDED
    assert "removed" not in capsys.readouterr().err
    here.rmdir()
    assert _explained(error) == ExitCode.UNDECIDED
    said = capsys.readouterr().err
    assert f"this folder was removed: {here}" in said
    assert "hint: " in said and "go to one that is there" in said
    assert "No such file" in said or isinstance(error, OSError), "what else went wrong stays"


def test_a_name_too_long_is_said_in_short(capsys: pytest.CaptureFixture[str]) -> None:
    error = OSError(errno.ENAMETOOLONG, "File name too long", "a" * 5000)
    assert _explained(error) == ExitCode.UNDECIDED
    said = capsys.readouterr().err
    assert "(5000 characters): File name too long\nhint: " in said
    assert len(said) < 600
