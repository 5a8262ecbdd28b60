"""Trees of commits that a lock file pins, fetched: from a repository on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from repositories import commit, run_git

from orchestrator.dependencies.dependency import BadLock, CommitTree, Dependency
from orchestrator.ground.values import replace
from orchestrator.pinning.treepins import fetched
from orchestrator.sources.folder import Sources
from orchestrator.sources.mirrors import Mirrors


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "theirs"
    (folder / "part").mkdir(parents=True)
    run_git(folder, "init", "--quiet")
    (folder / "part/file").write_text("x")
    return folder


def pin(repository: Path, part: str | None = None) -> str:
    tree = CommitTree(repository.as_uri(), run_git(repository, "rev-parse", "HEAD").strip())
    each = Dependency("a", "1", "a-1", tree, (tree.url,), tree.address, 7)
    sources = Sources(repository.parent / "sources", Mirrors())
    return fetched(replace(each, part=part), tree, sources, "x.lock", lambda _: None)


def test_the_tree_lies_where_it_is_looked_for(repository: Path) -> None:
    commit(repository)
    digest = pin(repository, "part")
    assert (repository.parent / "sources" / digest / "a-1/part/file").read_text() == "x"


def test_a_folder_that_the_tree_has_not(repository: Path) -> None:
    rev = commit(repository)
    with pytest.raises(BadLock, match=f"x.lock, line 7: a 1: the commit {rev[:12]} has no folder other"):
        pin(repository, "other")


def test_a_folder_behind_a_link(repository: Path) -> None:
    """Another one would be packed in the build than was looked at here."""
    (repository / "link").symlink_to("/")
    rev = commit(repository)
    with pytest.raises(BadLock, match=f"a 1: in the commit {rev[:12]} the folder link is behind a link"):
        pin(repository, "link")


def test_submodules_of_a_repository_of_this_machine(repository: Path) -> None:
    """Whose addresses the lock file's author chose: `../private` would be one of the user's own."""
    run_git(repository, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},sub")
    (repository / ".gitmodules").write_text('[submodule "sub"]\n\tpath = sub\n\turl = ../private\n')
    run_git(repository, "add", ".gitmodules")
    run_git(repository, "commit", "--quiet", "--message", "x")
    with pytest.raises(BadLock, match="a 1: it is from a repository of this machine, and has submodules"):
        pin(repository)
