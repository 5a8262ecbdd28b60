"""Flakes in git repositories of this machine: which commit they are, and what Nix may not make of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from orchestrator.ground.errors import TallyError
from orchestrator.repositories.gittree import export_tree
from orchestrator.run import localflake

GIT = ("git", "-c", "user.name=t", "-c", "user.email=t@example.org")


def git(folder: Path, *words: str) -> str:
    return subprocess.check_output([*GIT, *words], cwd=folder, text=True).strip()


@pytest.fixture
def top(tmp_path: Path) -> Path:
    folder = tmp_path / "flake"
    (folder / "sub").mkdir(parents=True)
    for name in ("flake.nix", "sub/flake.nix", "version"):
        (folder / name).write_text("one\n")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "one")
    return folder


def test_which_commit_an_address_names(top: Path) -> None:
    first = git(top, "rev-parse", "HEAD")
    git(top, "tag", "v1")
    (top / "version").write_text("two\n")
    git(top, "commit", "-qam", "two")
    second = git(top, "rev-parse", "HEAD")
    for address, commit, directory in (
        (f"{top}", second, ""),
        (f"{top}/sub", second, "sub"),
        (f"{top}?dir=sub", second, "sub"),
        (f"git+file://{top}?dir=sub&ref=v1", first, "sub"),
        (f"git+file://{top}?rev={first}", first, ""),
    ):
        found = localflake.of(address)
        assert found is not None, address
        assert (found.top, found.commit, found.directory) == (top, commit, directory), address
    for address in (
        f"{top}/none",
        f"{top}?submodules=1",
        f"git+file://{top}/sub",
        f"{top}?ref=none",
        f"{top}?rev={first[:10]}",
        "github:o/r",
        f"path:{top}",
    ):
        assert localflake.of(address) is None, address


@pytest.mark.parametrize("how", ["changed", "staged", "forgotten", "new"])
def test_what_is_not_committed_is_no_commit(how: str, top: Path) -> None:
    (top / "untracked").write_text("x")
    clean = localflake.of(str(top))
    assert clean is not None
    assert clean.commit is not None
    match how:
        case "changed":
            (top / "version").write_text("two\n")
        case "staged":
            (top / "version").write_text("two\n")
            git(top, "add", ".")
            (top / "version").write_text("one\n")
        case "forgotten":
            git(top, "rm", "-q", "--cached", "version")
        case "new":
            git(top, "add", "untracked")
    found = localflake.of(str(top))
    assert found is not None
    assert found.commit is None


@pytest.mark.parametrize("how", ["changed", "left out", "added", "executable", "folder"])
def test_what_was_fetched_is_the_commits_own_or_refused(how: str, top: Path, tmp_path: Path) -> None:
    commit = git(top, "rev-parse", "HEAD")
    tree = tmp_path / "tree"
    tree.mkdir()
    export_tree(top, commit, "", tree)
    localflake.refuse_differing(top, commit, tree, ".")
    match how:
        case "changed":
            (tree / "version").write_text("other\n")
        case "left out":
            (tree / "version").unlink()
        case "added":
            (tree / "version").unlink()
            (tree / "version").mkdir()
            (tree / "version" / "more").touch()
        case "executable":
            (tree / "version").chmod(0o755)
        case "folder":
            (tree / "version-1").mkdir()
    with pytest.raises(
        TallyError, match=r"of \. Nix fetched version\S* ?.* otherwise than the commit"
    ) as told:
        localflake.refuse_differing(top, commit, tree, ".")
    assert "export-subst" in str(told.value.hint)
    assert ".gitattributes" in str(told.value.hint)
