"""What differs from a commit: told by bytes, and nothing that the repository's configuration names is run."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from repositories import commit, path_recipe, run_git

from orchestrator.ground.errors import TallyError
from orchestrator.keys.unversioned import leave_out
from orchestrator.repositories.repository import repository_of
from orchestrator.repositories.worktree import Change, changes
from orchestrator.sources.pathsource import path_pins, write_tree

HARMS = {
    "filter.e.clean": "clean",
    "filter.p.process": "process",
    "filter.e.smudge": "smudge",
    "diff.e.textconv": "textconv",
    "diff.external": "external",
    "core.fsmonitor": "fsmonitor",
    "core.sshCommand": "ssh",
    "credential.helper": "credential",
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "r"
    (folder / "lib/deep").mkdir(parents=True)
    for name in ("a.e", "b.p", "c.txt", "deep/d.e"):
        (folder / "lib" / name).write_bytes(f"{name}\n".encode())
    run_git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder)
    return folder


def found(folder: Path, path: str = "lib") -> dict[str, str | None]:
    head = run_git(folder, "rev-parse", "HEAD")
    return {each.path: each.filter for each in changes(folder, head, path)}


@pytest.fixture
def seen(tmp_path: Path) -> Path:
    (tmp_path / "seen").mkdir()
    return tmp_path / "seen"


def armed(folder: Path, seen: Path, where: str) -> None:
    """Have everything that a repository can name run a command, by one of the files that can name it."""
    if where == "config.worktree":
        run_git(folder, "config", "extensions.worktreeConfig", "true")
    file = folder / ".git" / where
    if where == "included":
        run_git(folder, "config", "include.path", "included")
    hooks = folder / ".git/own-hooks"
    hooks.mkdir()
    for hook in (
        "post-index-change",
        "post-checkout",
        "pre-commit",
        "reference-transaction",
        "fsmonitor-watchman",
    ):
        (hooks / hook).write_text(f"#!/bin/sh\ntouch {seen}/hook\n")
        (hooks / hook).chmod(0o755)
    # what speaks with git ends at once: git and an echo of its words would wait for each other
    ends = {name: "cat #" if name in ("clean", "smudge") else "false #" for name in HARMS.values()}
    values = {key: f"touch {seen}/{name}; {ends[name]}" for key, name in HARMS.items()}
    values["credential.helper"] = f"!{values['credential.helper']}"
    for key, value in {**values, "core.hooksPath": str(hooks), "protocol.allow": "always"}.items():
        run_git(folder, "config", "--file", str(file), key, value)
    run_git(folder, "config", "--file", str(file), "remote.origin.url", "ssh://127.0.0.1/none")
    (folder / ".git/info/attributes").write_text("*.e filter=e diff=e\n")


def by_git(folder: Path) -> None:
    """What any user might do there."""
    steps = (
        ("a.e", "status"),
        ("a.e", "diff --no-ext-diff"),
        ("a.e", "diff"),
        ("a.e", "checkout -f"),
        ("c.txt", "fetch"),
        ("c.txt", "credential fill"),
        ("b.p", "status"),
    )
    for number, (file, command) in enumerate(steps):
        if file == "b.p":  # last: git ends with an error where this filter does
            with (folder / ".git/info/attributes").open("a") as attributes:
                attributes.write("*.p filter=p\n")
        place = folder / "lib" / file
        # of the same length: git has to look into it
        place.write_bytes(b"%d" % number + place.read_bytes()[1:])
        subprocess.run(
            ["git", "-C", str(folder), *command.split()],
            env={**os.environ, "GIT_TERMINAL_PROMPT": "0"},
            input=b"protocol=https\nhost=example.org\n\n",
            capture_output=True,
            check=False,
        )


@pytest.mark.parametrize("where", ["config", "config.worktree", "included"])
def test_nothing_that_a_repository_names_is_run(
    repository: Path, seen: Path, where: str, tmp_path: Path
) -> None:
    armed(repository, seen, where)
    by_git(repository)
    harmed = {path.name for path in seen.iterdir()}
    assert harmed == {*HARMS.values(), "hook"}, "the harm is none"
    for path in seen.iterdir():
        path.unlink()

    for content in (b"a.e\n", b"x.e\n"):  # as committed, and changed in the same length, at the same time
        (repository / "lib/a.e").write_bytes(content)
        for name in ("b.p", "c.txt"):
            (repository / "lib" / name).write_bytes(f"{name}\n".encode())
        pin = path_pins(repository, {"own": path_recipe()}, allow_dirty=True)["own", "src"]
        assert pin.dirty == (content != b"a.e\n")
        target = tmp_path / content.decode().strip()
        target.mkdir()
        write_tree(repository, pin.url, target)
        assert (target / "a.e").read_bytes() == content
    recipe = repository / "lib/a.e"
    repository_of(repository, {recipe: recipe.read_bytes()})
    leave_out(repository / "release.key")
    assert not list(seen.iterdir())


def test_a_file_that_a_filter_would_change_says_so(repository: Path) -> None:
    (repository / ".gitattributes").write_text(
        "*.e filter=e\n*.p ident\n*.txt working-tree-encoding=UTF-16\n"
    )
    assert not found(repository), "the attribute alone changes nothing"
    for name in ("a.e", "b.p", "c.txt"):
        (repository / "lib" / name).write_bytes(b"converted\n")
    assert found(repository) == {
        "lib/a.e": "filter=e",
        "lib/b.p": "ident",
        "lib/c.txt": "working-tree-encoding=UTF-16",
    }
    with pytest.raises(
        TallyError, match=r"git converts lib/a.e by the attribute filter=e, and a .* not run here"
    ):
        path_pins(repository, {"own": path_recipe()})


@pytest.mark.parametrize(
    ("attributes", "automatic", "changed"),
    [
        ("", "false", True),
        ("", "true", False),
        ("", "input", False),
        ("* -text\n", "true", True),
        ("* binary\n", "true", True),
        ("* text=auto\n", "false", False),
        ("* text\n", "false", False),
        ("* eol=crlf\n", "false", False),
        ("* crlf\n", "false", False),
    ],
)
def test_line_ends_are_no_change_where_git_converts_them(
    repository: Path, attributes: str, automatic: str, changed: bool
) -> None:
    run_git(repository, "config", "core.autocrlf", automatic)
    (repository / ".git/info/attributes").write_text(attributes)
    (repository / "lib/c.txt").write_bytes(b"c.txt\r\n")
    assert found(repository) == ({"lib/c.txt": None} if changed else {})
    run_git(repository, "add", "lib/c.txt")
    assert bool(run_git(repository, "status", "--porcelain")) == changed, "git thinks otherwise"
    (repository / "lib/c.txt").write_bytes(b"other\r\n")
    assert found(repository) == {"lib/c.txt": None}


def kinds(lib: Path) -> Iterator[tuple[str, str]]:
    """Each way to differ, made in turn: what it is, and the file that differs."""
    file = lib / "c.txt"
    file.unlink()
    yield "deleted", "lib/c.txt"
    file.mkdir()
    yield "a folder", "lib/c.txt"
    file.rmdir()
    os.mkfifo(file)
    yield "a pipe, which is not opened", "lib/c.txt"
    file.unlink()
    file.symlink_to("a.e")
    yield "a link", "lib/c.txt"
    file.unlink()
    file.write_bytes(b"c.txt\n")
    file.chmod(0o755)
    yield "its mode", "lib/c.txt"
    file.chmod(0o644)
    (lib / "deep").rename(lib.parent / "elsewhere")
    (lib / "deep").symlink_to("../elsewhere")
    yield "by way of a link", "lib/deep/d.e"


def test_every_kind_of_change_is_seen(repository: Path) -> None:
    """Whatever the index says of the files, which `git update-index --assume-unchanged` can have lie."""
    run_git(repository, "update-index", "--assume-unchanged", "lib/c.txt", "lib/deep/d.e")
    (repository / ".git/info/exclude").write_text("*\n")
    assert found(repository) == {}
    for what, path in kinds(repository / "lib"):
        assert path in found(repository), what


def test_what_is_left_out_on_purpose_is_no_change(repository: Path) -> None:
    run_git(repository, "sparse-checkout", "set", "--no-cone", "/lib/a.e")
    assert not (repository / "lib/c.txt").exists()
    assert found(repository) == {}
    (repository / "lib/c.txt").write_bytes(b"other\n")
    assert found(repository) == {"lib/c.txt": None}


def test_large_files_of_git_lfs_are_as_their_pointer_says(repository: Path) -> None:
    large = repository / "lib/large"
    digest = hashlib.sha256(b"large\n").hexdigest()
    large.write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize 6\n")
    head = commit(repository)
    (repository / ".gitattributes").write_text("lib/large filter=lfs\n")
    assert changes(repository, head, "lib") == ()
    large.write_bytes(b"large\n")
    assert changes(repository, head, "lib") == ()
    large.write_bytes(b"other\n")
    assert changes(repository, head, "lib") == (Change("lib/large", "filter=lfs"),)


def test_submodules_are_looked_into(repository: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    run_git(other, "init", "--quiet", "--initial-branch=main")
    (other / "file").write_bytes(b"x\n")
    commit(other)
    run_git(
        repository, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other), "lib/sub"
    )
    commit(repository)
    seen = tmp_path / "seen"
    run_git(repository / "lib/sub", "config", "filter.e.clean", f"touch {seen}; cat")
    (repository / ".git/modules/lib/sub/info/attributes").write_text("* filter=e\n")
    assert found(repository) == {}
    (repository / "lib/sub/file").write_bytes(b"y\n")
    assert found(repository) == {"lib/sub/file": "filter=e"}
    assert not seen.exists()
    (repository / "lib/sub/file").write_bytes(b"x\n")
    (repository / "lib/sub/new").write_bytes(b"x\n")
    assert found(repository) == {"lib/sub/new": None}
    commit(repository / "lib/sub")
    assert found(repository) == {"lib/sub": None}
