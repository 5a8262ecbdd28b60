"""Large files by git-lfs itself, from another repository."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from orchestrator.ground.errors import TallyError
from orchestrator.recipe.wanted import Extras
from orchestrator.repositories.gitremote import export_remote


def _git(folder: Path, *arguments: str) -> str:
    who = {
        f"GIT_{role}_{what}": "t@example.org"
        for role in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, env={**os.environ, **who}, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_large_files_come_from_where_git_lfs_has_them(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    repository.mkdir()
    _git(repository, "init", "--quiet")
    _git(repository, "lfs", "install", "--local")
    _git(repository, "lfs", "track", "*.bin")
    (repository / "below").mkdir()
    (repository / "below/large.bin").write_bytes(b"large" * 1000)
    (repository / "run.bin").write_text("#!/bin/sh")
    (repository / "run.bin").chmod(0o755)
    _git(repository, "add", "--all")
    _git(repository, "commit", "--quiet", "--message", "x")
    head = _git(repository, "rev-parse", "HEAD")

    whole = tmp_path / "whole"
    whole.mkdir()
    export_remote(f"file://{repository}", head, whole, Extras(lfs=True))
    assert (whole / "below/large.bin").read_bytes() == b"large" * 1000
    assert (whole / "run.bin").read_text() == "#!/bin/sh"
    assert (whole / "run.bin").stat().st_mode & 0o111

    for path in (repository / ".git/lfs/objects").rglob("*"):
        if path.is_file():
            path.unlink()
    (tmp_path / "none").mkdir()
    with pytest.raises(TallyError, match="git lfs failed: "):
        export_remote(f"file://{repository}", head, tmp_path / "none", Extras(lfs=True))
