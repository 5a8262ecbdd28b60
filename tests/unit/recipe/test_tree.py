"""The tree that a Nix file is evaluated in: what of it no commit has."""

from __future__ import annotations

from pathlib import Path

import pytest
from repositories import run_git as git

from orchestrator.recipe.revision import Revision
from orchestrator.recipe.tree import tree_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "r"
    folder.mkdir()
    for name in ("default.nix", "gone.nix", "other.nix"):
        (folder / name).write_text("1\n")
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "one")
    return folder


def revision(folder: Path, target: Path) -> Revision:
    found = tree_of(folder / "default.nix", target).revision
    assert found is not None
    return found


def test_new_files_are_told_from_changed_ones(folder: Path, tmp_path: Path) -> None:
    clean = revision(folder, tmp_path / "clean")
    assert (clean.uncommitted, clean.absent) == ((), frozenset())
    (folder / "gone.nix").unlink()
    (folder / "other.nix").write_text("2\n")
    (folder / "staged.nix").write_text("3\n")
    git(folder, "add", "staged.nix")
    (folder / "keys").mkdir()
    (folder / "keys/a.pub").write_text("4\n")
    found = revision(folder, tmp_path / "changed")
    assert found.uncommitted == ("gone.nix", "keys/a.pub", "other.nix", "staged.nix")
    assert found.absent == {"keys/a.pub", "staged.nix"}
