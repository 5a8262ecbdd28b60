"""The tree that a Nix file is evaluated in: what of it no commit has."""

from __future__ import annotations

from pathlib import Path

import pytest
from repositories import run_git as git

from orchestrator.ground.errors import TallyError
from orchestrator.repositories.revision import Revision
from orchestrator.repositories.tree import refuse_private_keys, tree_of

COMMITTED = ("default.nix", "gone.nix", "other.nix")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "r"
    folder.mkdir()
    for name in COMMITTED:
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


def test_releases_are_no_part_of_it_where_git_tracks_none(folder: Path, tmp_path: Path) -> None:
    out = folder / "made/releases"
    out.mkdir(parents=True)
    (out / "release.json").write_text("{}")
    (folder / "made/releases.nix").write_text("2\n")
    (tmp_path / "elsewhere").mkdir()

    def names(out: Path, name: str, asked: str = "default.nix") -> list[str]:
        tree = tree_of(folder / asked, tmp_path / name, out=out)
        found = [str(each.relative_to(tree.folder)) for each in tree.folder.rglob("*") if each.is_file()]
        assert tree.revision is not None
        assert tree.revision.absent == set(found) - set(COMMITTED)
        return sorted(set(found) - set(COMMITTED))

    assert names(out, "out") == ["made/releases.nix"]
    every = ["made/releases.nix", "made/releases/release.json"]
    assert names(folder, "all") == names(tmp_path / "elsewhere", "other") == every
    assert names(out, "asked", "made/releases/release.json") == every, "what is asked for stays"
    (out / "tracked.json").write_text("{}")
    git(folder, "add", "made/releases/tracked.json")
    assert names(out, "tracked") == [*every, "made/releases/tracked.json"]


def test_a_repository_without_a_commit_is_made_of_what_git_knows(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    (folder / "keys").mkdir(parents=True)
    for name in ("flake.nix", "new", "ignored", "keys/secret.key"):
        (folder / name).write_text("1\n")
    (folder / ".gitignore").write_text("ignored\n")
    git(folder, "init", "--quiet")
    (folder / ".git/info/exclude").write_text("/keys/secret.key\n")
    git(folder, "add", "flake.nix")
    for tracked, names in ((True, {"flake.nix"}), (False, {"flake.nix", "new", ".gitignore"})):
        tree = tree_of(folder, tmp_path / str(tracked), tracked=tracked)
        assert {each.name for each in tree.folder.iterdir()} == names
        assert tree.revision is None
        assert "no commit yet" in str(tree.unversioned)


def test_a_repository_that_git_does_not_read_is_not_taken_whole(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TallyError, match="git is not here"):
        tree_of(folder, tmp_path / "copy")


def test_a_private_key_goes_into_no_store(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    (folder / "default.nix").write_text("1\n")
    (folder / "other.key").write_text("no PEM")
    (folder / "other.pub").touch()
    (folder / "below").mkdir()
    (folder / "below/rel.key").write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
    refuse_private_keys(folder)  # a test's own, perhaps: `tally keys generate` makes two files
    assert (tree_of(folder, tmp_path / "alone").folder / "below/rel.key").is_file()
    (folder / "below/rel.pub").touch()
    copied = tree_of(folder / "default.nix", tmp_path / "copy").folder
    assert [each.name for each in (copied / "below").iterdir()] == ["rel.pub"]
    assert (copied / "other.key").is_file()
    with pytest.raises(TallyError, match=r"below/rel\.key is a private key"):
        refuse_private_keys(folder)


@pytest.mark.parametrize("kept", ["a repository", "a folder"])
def test_the_copy_is_never_made_in_what_is_copied(folder: Path, tmp_path: Path, kept: str) -> None:
    """As with the state folder in the project, where git does not ignore it."""
    if kept == "a folder":
        folder = tmp_path / "alone"
        folder.mkdir()
        (folder / "default.nix").write_text("1")
    with pytest.raises(TallyError, match=r"all of .* is copied, .* would be in it") as refused:
        tree_of(folder / "default.nix", folder / "state/tmp/run")
    assert "TALLY_STATE" in str(refused.value.hint)


def test_a_state_folder_that_git_ignores_is_no_part_of_it(folder: Path) -> None:
    (folder / ".gitignore").write_text("state/\n")
    (folder / "state").mkdir()
    (folder / "state/ledger").write_text("")
    tree = tree_of(folder / "default.nix", folder / "state/tmp/run")
    assert not (tree.folder / "state").exists()
    assert (tree.folder / "default.nix").is_file()
