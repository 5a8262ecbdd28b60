"""Repositories by somebody who means harm: nothing of theirs is run, and no commit is another than its id."""

from __future__ import annotations

import os
import shutil
import subprocess
import zlib
from pathlib import Path

import pytest
from repositories import commit, run_git

from orchestrator.ground.errors import TallyError
from orchestrator.keys.unversioned import leave_out
from orchestrator.repositories import git
from orchestrator.repositories.gitobjects import Objects
from orchestrator.repositories.gittree import export_tree
from orchestrator.repositories.repository import Repository, Unversioned, repository_of


def one(folder: Path) -> Path:
    """A repository with a recipe, committed."""
    (folder / "recipes").mkdir(parents=True)
    (folder / "recipes/hello.toml").write_bytes(b"a recipe\n")
    run_git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder)
    return folder


def stored(folder: Path, kind: str, content: bytes) -> str:
    """An object with any content, put into a repository."""
    command = ["git", "-C", str(folder), "hash-object", "-w", "--literally", "-t", kind, "--stdin"]
    return subprocess.run(command, input=content, capture_output=True, check=True).stdout.decode().strip()


def tree_of(folder: Path, *entries: tuple[str, bytes, str]) -> str:
    content = b"".join(
        b"%s %s\0%s" % (mode.encode(), name, bytes.fromhex(id_)) for mode, name, id_ in entries
    )
    return stored(folder, "tree", content)


def forged(folder: Path, id_: str, kind: str, content: bytes) -> None:
    """Put something else under an object's id, as no git does."""
    path = folder / ".git/objects" / id_[:2] / id_[2:]
    path.chmod(0o644)
    path.write_bytes(zlib.compress(b"%s %d\0" % (kind.encode(), len(content)) + content))


@pytest.mark.parametrize("kind", ["commit", "tree", "blob"])
def test_a_forged_object_is_seen(tmp_path: Path, kind: str) -> None:
    """The commit is genuine, and what lies under its ids is not what they are the ids of."""
    folder = one(tmp_path / "r")
    head = run_git(folder, "rev-parse", "HEAD").strip()
    recipe = folder / "recipes/hello.toml"
    recipe.write_bytes(b"another recipe\n")
    blob = stored(folder, "blob", recipe.read_bytes())
    below = tree_of(folder, ("100644", b"hello.toml", blob))
    top = tree_of(folder, ("40000", b"recipes", below))
    match kind:
        case "commit":
            forged(
                folder,
                head,
                "commit",
                b"tree %s\nauthor T <t> 1 +0000\ncommitter T <t> 1 +0000\n\nx\n" % top.encode(),
            )
        case "tree":
            id_ = run_git(folder, "rev-parse", "HEAD:recipes").strip()
            forged(folder, id_, "tree", b"100644 hello.toml\0" + bytes.fromhex(blob))
        case _:
            forged(folder, run_git(folder, "rev-parse", "HEAD:recipes/hello.toml").strip(), "blob", b"x\n")
    if kind != "blob":  # a recipe's own bytes are hashed, whatever lies there
        said = repository_of(folder / "recipes", {recipe: recipe.read_bytes()})
        assert isinstance(said, Unversioned)
        assert ("cannot be read" if kind == "commit" else "has something else under the id") in said.why
    (tmp_path / "out").mkdir()
    with pytest.raises(TallyError, match="has something else under the id"):
        export_tree(folder, head, "", tmp_path / "out")


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ((("120000", b"a", "link"), ("40000", b"a", "folder")), "one name twice"),
        ((("120000", b"a", "link"), ("100644", b"a/file", "file")), "unsafe name"),
        ((("100644", b"..", "file"),), "unsafe name"),
        ((("40000", b".git", "folder"),), "unsafe name"),
        ((("100644", b"", "file"),), "unsafe name"),
    ],
)
def test_no_tree_writes_elsewhere(
    tmp_path: Path, entries: tuple[tuple[str, bytes, str], ...], says: str
) -> None:
    folder = one(tmp_path / "r")
    outside = tmp_path / "outside"
    outside.mkdir()
    blob = stored(folder, "blob", b"owned\n")
    ids = {
        "link": stored(folder, "blob", os.fsencode(outside)),
        "file": blob,
        "folder": tree_of(folder, ("100755", b"owned", blob)),
    }
    tree = tree_of(folder, *((mode, name, ids[what]) for mode, name, what in entries))
    made = stored(folder, "commit", b"tree %s\n" % tree.encode())
    (tmp_path / "out").mkdir()
    with pytest.raises(TallyError, match=says):
        export_tree(folder, made, "", tmp_path / "out")
    assert not list(outside.iterdir())
    assert not list((tmp_path / "out").iterdir()), "it was written before all of it was looked at"


def lacking(folder: Path, run: Path) -> None:
    """Set a repository to fetch what it lacks by a command, and have it lack a tree."""
    id_ = run_git(folder, "rev-parse", "HEAD:recipes").strip()
    (folder / ".git/objects" / id_[:2] / id_[2:]).unlink()
    for key, value in {
        "core.repositoryformatversion": "1",
        "extensions.partialclone": "origin",
        "remote.origin.url": "/tmp",
        "remote.origin.promisor": "true",
        "remote.origin.uploadpack": f"touch {run}; false;",
        "protocol.allow": "always",
        "protocol.file.allow": "always",
    }.items():
        run_git(folder, "config", key, value)


def test_what_git_runs_knows_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were git to run something after all, it would see no secret of ours."""
    folder, seen = one(tmp_path / "r"), tmp_path / "seen"
    for name in ("TALLY_KEY_PASSPHRASE", "SIGSTORE_ID_TOKEN", "VAULT_TOKEN"):
        monkeypatch.setenv(name, f"the secret of {name}")
    run_git(folder, "config", "filter.x.clean", f"env > {seen}; cat")
    (folder / ".gitattributes").write_text("* filter=x\n")
    (folder / "recipes/hello.toml").write_bytes(b"b recipe\n")
    git.git(folder, "status", "--porcelain")
    assert seen.exists(), "the harm is none"
    assert "the secret of" not in seen.read_text()


def test_what_a_repository_lacks_is_fetched_by_nobody(tmp_path: Path) -> None:
    """git would run what the repository's configuration says to fetch with."""
    folder, run = one(tmp_path / "r"), tmp_path / "run"
    lacking(folder, run)
    subprocess.run(["git", "-C", str(folder), "ls-tree", "-r", "HEAD"], capture_output=True, check=False)
    assert run.exists(), "the harm is none"
    run.unlink()
    recipe = folder / "recipes/hello.toml"
    said = repository_of(folder / "recipes", {recipe: recipe.read_bytes()})
    assert isinstance(said, Unversioned)
    assert "lacks the tree" in said.why
    assert not run.exists()


def test_committed_files_are_no_repository(tmp_path: Path) -> None:
    """A folder of a clone can look like a bare repository, with a configuration that came by the clone."""
    inner, outer, run = one(tmp_path / "inner"), one(tmp_path / "outer"), tmp_path / "run"
    lacking(inner, run)
    shutil.copytree(inner / ".git", outer / "recipes", dirs_exist_ok=True)
    recipe = outer / "recipes/hello.toml"
    said = repository_of(outer / "recipes", {recipe: recipe.read_bytes()})
    assert isinstance(said, Unversioned)
    assert "bare git repository" in said.why
    with pytest.raises(git.BareError):
        git.head(outer / "recipes")
    with pytest.raises(TallyError, match="git does not say whether it would take up"):
        leave_out(outer / "recipes/release.key")
    assert not run.exists()


def test_a_commit_is_read_by_its_objects(tmp_path: Path) -> None:
    folder = one(tmp_path / "r")
    (folder / "link").symlink_to("recipes")
    commit(folder)
    recipe = folder / "recipes/hello.toml"
    found = repository_of(folder, {recipe: recipe.read_bytes()})
    assert isinstance(found, Repository)
    assert not found.uncommitted
    with Objects(folder) as objects:
        tree = objects.tree_of(found.commit)
        assert objects.at(tree, b"recipes/hello.toml/x") is None
        assert objects.at(tree, b"none") is None
        listed = run_git(folder, "ls-tree", "-r", "--name-only", "HEAD").split()
        assert [os.fsdecode(each.path) for each in objects.walk(tree)] == listed
