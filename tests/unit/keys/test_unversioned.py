"""A private key is never staged by `git add -A`: git leaves it out, or it is not written."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import powers
import pytest

from orchestrator.ground.errors import TallyError
from orchestrator.keys.unversioned import leave_out


def git(folder: Path, *words: str) -> str:
    return subprocess.run(
        ["git", "-C", folder, "-c", "user.name=x", "-c", "user.email=x@example.org", *words],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"},
    ).stdout


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git repository with a commit, and the working folder."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    folder = tmp_path / "clone"
    folder.mkdir()
    git(folder, "init", "--quiet")
    (folder / "a").write_text("a")
    git(folder, "add", "a")
    git(folder, "commit", "--quiet", "--message", "a")
    monkeypatch.chdir(folder)
    return folder


def staged(folder: Path) -> set[str]:
    """What `git add -A` takes up."""
    git(folder, "add", "-A")
    return set(filter(None, git(folder, "diff", "--cached", "--name-only", "-z").split("\0")))


def write(private: Path) -> None:
    private.parent.mkdir(parents=True, exist_ok=True)
    private.write_text("secret")
    private.with_suffix(".pub").write_text("public")


@pytest.mark.parametrize(
    "name",
    [
        "release.key",
        "keys/release.key",
        "deep/er/than that/release.key",
        "keys/#1.key",
        "keys/!release [1]*?\\.key",
        "#keys/release.key",
        "keys/schlüssel.key",
    ],
)
def test_what_is_written_next_is_not_staged(clone: Path, name: str) -> None:
    private = Path(name)
    said = leave_out(private)
    write(clone / private)
    assert said is not None
    assert said.endswith("to .git/info/exclude, so that `git add` leaves it out")
    assert staged(clone) == {str(private.with_suffix(".pub"))}
    assert leave_out(private) is None, "once is enough"


def test_a_key_is_left_out_from_wherever_it_is_named(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(clone)
    leave_out(Path("link/keys/release.key"))
    write(clone / "keys/release.key")
    assert staged(clone) == {"keys/release.pub"}


def test_the_lines_of_others_stay(clone: Path) -> None:
    exclude = clone / ".git/info/exclude"
    exclude.write_text("mine")
    leave_out(Path("release.key"))
    assert exclude.read_text() == "mine\n/release.key\n"


def test_worktrees_and_submodules_have_an_exclude_of_their_own(clone: Path, tmp_path: Path) -> None:
    git(clone, "worktree", "add", "--quiet", str(tmp_path / "tree"))
    git(clone, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(clone), "module")
    for folder in (tmp_path / "tree", clone / "module"):
        assert leave_out(folder / "keys/release.key")
        write(folder / "keys/release.key")
        assert staged(folder) == {"keys/release.pub"}


def test_no_work_tree_needs_nothing(clone: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    git(tmp_path, "init", "--quiet", "--bare", str(bare))
    for folder in (bare, tmp_path, clone / ".git"):
        assert leave_out(folder / "release.key") is None
    assert not (bare / "info/exclude").read_text().endswith("release.key\n")


def test_an_ignored_key_needs_nothing(clone: Path) -> None:
    before = (clone / ".git/info/exclude").read_bytes()
    (clone / ".gitignore").write_text("*.key\n")
    assert leave_out(Path("keys/release.key")) is None
    assert (clone / ".git/info/exclude").read_bytes() == before


def bring_back(clone: Path) -> None:
    (clone / ".gitignore").write_text("!*.key\n")


def track(clone: Path) -> None:
    write(clone / "release.key")
    git(clone, "add", "release.key")
    (clone / "release.key").unlink()


def lock(clone: Path) -> None:
    (clone / ".git/info/exclude").unlink()
    (clone / ".git/info").chmod(0o555)


@pytest.mark.parametrize("harm", [bring_back, track, lock])
def test_a_key_that_git_could_take_up_is_refused_unless_forced(clone: Path, harm: object) -> None:
    harm(clone)  # type: ignore[operator]
    with powers.as_anybody():
        with pytest.raises(TallyError, match=r"release\.key") as caught:
            leave_out(Path("release.key"))
        assert "--force" in str(caught.value.hint)
        assert leave_out(Path("release.key"), force=True) == caught.value.message


def test_a_repository_that_git_does_not_speak_of_is_no_yes(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = clone.parent / "bin"
    stranger.mkdir()
    real = shutil.which("git")
    (stranger / "git").write_text(f'#!/bin/sh\nGIT_TEST_ASSUME_DIFFERENT_OWNER=1 exec {real} "$@"\n')
    (stranger / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{stranger}:{os.environ['PATH']}")
    with pytest.raises(TallyError, match="dubious ownership") as caught:
        leave_out(Path("release.key"))
    assert "--force" in str(caught.value.hint)


def test_a_link_in_the_place_of_the_list_is_not_followed(clone: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine\n")
    exclude = clone / ".git/info/exclude"
    exclude.unlink(missing_ok=True)
    exclude.parent.mkdir(exist_ok=True)
    exclude.symlink_to(elsewhere)
    with pytest.raises(TallyError, match="does not keep it out"):
        leave_out(clone / "release.key")
    assert elsewhere.read_text() == "mine\n"
