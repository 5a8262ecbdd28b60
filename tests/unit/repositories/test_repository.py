"""The commit of recipe and lock, from real repositories: what is not byte for byte in it is `uncommitted`."""

from __future__ import annotations

from pathlib import Path

import pytest
from repositories import run_git as git

from orchestrator.repositories.git import INSTALL
from orchestrator.repositories.repository import Repository, Unversioned, repository_of
from orchestrator.repositories.revision import address_of

COMMIT = "c" * 40


def committed(folder: Path, *options: str) -> Path:
    """A repository with a recipe and a lock, both committed."""
    (folder / "recipes").mkdir(parents=True)
    (folder / "recipes/hello.toml").write_bytes(b"a recipe\n")
    (folder / "tally.lock").write_bytes(b"a lock\n")
    git(folder, "init", "--quiet", *options)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "one")
    return folder


def looked_up(folder: Path) -> Repository:
    files = [folder / "recipes/hello.toml", folder / "tally.lock"]
    found = repository_of(folder / "recipes", {file: file.read_bytes() for file in files})
    assert isinstance(found, Repository), found
    return found


def absent(folder: Path) -> frozenset[str]:
    recipe = folder / "recipes/hello.toml"
    return looked_up(folder).revision(recipe, [recipe, folder / "tally.lock"]).absent


def uncommitted(folder: Path) -> tuple[str, ...]:
    recipe = folder / "recipes/hello.toml"
    return looked_up(folder).revision(recipe, [recipe, folder / "tally.lock"]).uncommitted


@pytest.mark.parametrize("format_", ["sha1", "sha256"])
def test_what_is_committed(tmp_path: Path, format_: str) -> None:
    folder = committed(tmp_path / "r", f"--object-format={format_}")
    found = looked_up(folder).revision(folder / "recipes/hello.toml", [folder / "tally.lock"])
    assert found.commit == git(folder, "rev-parse", "HEAD")
    assert (found.recipe, found.uncommitted, found.address) == ("recipes/hello.toml", (), None)
    assert found.uri is None


def test_a_changed_byte_is_seen_whatever_git_is_told(tmp_path: Path) -> None:
    folder = committed(tmp_path / "r")
    (folder / ".gitattributes").write_text("* text eol=crlf\n")
    git(folder, "update-index", "--assume-unchanged", "tally.lock")
    (folder / "tally.lock").write_bytes(b"a lock\r\n")
    assert git(folder, "status", "--porcelain", "tally.lock") == ""
    assert uncommitted(folder) == ("tally.lock",)
    assert absent(folder) == frozenset(), "it is in the commit, with other bytes"


def test_a_new_file_an_ignored_one_a_staged_one_and_one_by_a_link(tmp_path: Path) -> None:
    folder = committed(tmp_path / "r")
    git(folder, "rm", "--quiet", "--cached", "tally.lock")
    git(folder, "commit", "--quiet", "--message", "two")
    assert uncommitted(folder) == ("tally.lock",)
    assert absent(folder) == {"tally.lock"}
    (folder / ".git/info/exclude").write_text("tally.lock\n")
    assert uncommitted(folder) == ("tally.lock",)
    git(folder, "add", "--force", "tally.lock")
    assert uncommitted(folder) == ("tally.lock",)
    git(folder, "commit", "--quiet", "--message", "three")
    assert uncommitted(folder) == ()
    (tmp_path / "elsewhere.toml").write_bytes(b"a recipe\n")
    (folder / "recipes/hello.toml").unlink()
    (folder / "recipes/hello.toml").symlink_to(tmp_path / "elsewhere.toml")
    assert uncommitted(folder) == ("hello.toml",)
    recipe = folder / "recipes/hello.toml"
    assert looked_up(folder).revision(recipe, [recipe]).recipe is None


def test_a_folder_that_a_link_leads_to(tmp_path: Path) -> None:
    committed(tmp_path / "real")
    (tmp_path / "link").symlink_to("real")
    assert uncommitted(tmp_path / "link") == ()


def test_files_of_other_targets_are_not_told(tmp_path: Path) -> None:
    folder = committed(tmp_path / "r")
    (folder / "tally.lock").write_bytes(b"another\n")
    recipe = folder / "recipes/hello.toml"
    assert looked_up(folder).revision(recipe, [recipe]).uncommitted == ()


def test_no_repository_and_no_commit_say_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    (tmp_path / "recipes").mkdir()
    found = repository_of(tmp_path / "recipes", {})
    assert isinstance(found, Unversioned)
    assert "is in no git repository" in found.why
    assert "git init" in found.way_out
    git(tmp_path / "recipes", "init", "--quiet")
    found = repository_of(tmp_path / "recipes", {})
    assert isinstance(found, Unversioned)
    assert "no commit yet" in found.why
    monkeypatch.setenv("PATH", str(tmp_path))
    assert repository_of(tmp_path / "recipes", {}) == Unversioned("git is not installed", INSTALL)


def test_the_remote_is_origin_or_the_only_one(tmp_path: Path) -> None:
    folder = committed(tmp_path / "r")
    git(folder, "remote", "add", "fork", "https://user:secret@git.example.org/fork.git")
    assert looked_up(folder).address == "git+https://git.example.org/fork.git"
    git(folder, "remote", "add", "other", "https://git.example.org/other.git")
    assert looked_up(folder).address is None
    git(folder, "remote", "add", "origin", "team@git.example.org:origin.git")
    assert looked_up(folder).address == "git+ssh://git.example.org/origin.git"


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("https://git.example.org/a/b.git", "git+https://git.example.org/a/b.git"),
        ("https://user:secret@Git.Example.ORG:443/a/b/?token=x#y", "git+https://git.example.org/a/b"),
        ("https://token@git.example.org:8443/a", "git+https://git.example.org:8443/a"),
        ("http://[::1]:80/a", "git+http://[::1]/a"),
        ("git://git.example.org/a", "git+git://git.example.org/a"),
        ("ssh://git@git.example.org:22/a/b", "git+ssh://git.example.org/a/b"),
        ("ssh://git@git.example.org:2222/~me/b", "git+ssh://git.example.org:2222/~me/b"),
        ("git@git.example.org:a/b.git", "git+ssh://git.example.org/a/b.git"),
        ("git.example.org:/srv/b.git", "git+ssh://git.example.org/srv/b.git"),
        ("https://git.example.org/a@b c", "git+https://git.example.org/a%40b%20c"),
        # no machine that others reach, or none that can be told
        ("/srv/git/a.git", None),
        ("../a", None),
        ("file:///srv/git/a.git", None),
        ("ext::ssh -i key host %S /a", None),
        ("helper::https://git.example.org/a", None),
        ("https://git.example.org", None),
        ("https://git.example.org:99999/a", None),
        ("https://", None),
        ("", None),
    ],
)
def test_an_address_has_no_credentials(remote: str, address: str | None) -> None:
    assert address_of(remote) == address
