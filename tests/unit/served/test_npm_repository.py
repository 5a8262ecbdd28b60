"""The commit of a repository that a package of npm's is packed from: git repositories of the tests' own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.recipe.wanted import Wanted
from orchestrator.served import npm_recipe
from orchestrator.served.named import NpmName
from orchestrator.served.npm import Package
from orchestrator.served.npm_repository import Origin, Tree, tree_of
from orchestrator.sources.folder import Sources
from orchestrator.sources.mirrors import Mirrors

ZERO = "0" * 40


def package(**said: Any) -> Package:
    return Package(NpmName("a", "1.0.0"), Wanted("a-1.0.0.tgz", Sha256("1" * 64), ()), said)


def git(folder: Path, *words: str) -> str:
    settings = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    done = subprocess.run(
        ["git", "-C", folder, *settings, *words], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "a"
    for where in (folder, folder / "packages/b"):
        where.mkdir(parents=True)
        (where / "package.json").write_text('{"name": "a", "version": "1.0.0"}')
    git(folder, "init", "-q")
    commit(folder)
    return folder


def commit(folder: Path) -> str:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "one")
    return git(folder, "rev-parse", "HEAD")


def tree(where: object, tmp_path: Path, commit: str | None = None, **said: Any) -> Tree:
    sources = Sources(tmp_path / "sources", Mirrors())
    return tree_of(package(**said), Origin(str(where), commit), sources)


def test_the_commit_that_the_registry_names(repository: Path, tmp_path: Path) -> None:
    was = git(repository, "rev-parse", "HEAD")
    (repository / "package.json").write_text('{"name": "a", "version": "2.0.0"}')
    commit(repository)
    found = tree(repository, tmp_path, gitHead=was)
    assert (found.source.rev, found.commit_by) == (was, "the registry's gitHead")
    assert found.notes == ()
    (place,) = (tmp_path / "sources" / found.source.nar_sha256).glob("[!.]*")
    assert json.loads((place / "package.json").read_text())["version"] == "1.0.0"
    assert not (place / ".git").exists()
    assert found.source.git == "https://on-this-machine.invalid/repository"


def test_what_is_not_committed_does_not_count(repository: Path, tmp_path: Path) -> None:
    head = git(repository, "rev-parse", "HEAD")
    before = tree(repository, tmp_path, head)
    (repository / "new").write_text("x")
    assert tree(repository, tmp_path, head) == before


def test_the_users_commit_goes_first_and_another_one_is_told(repository: Path, tmp_path: Path) -> None:
    head = git(repository, "rev-parse", "HEAD")
    found = tree(repository, tmp_path, head, gitHead=ZERO)
    assert found.commit_by == f"--commit; the registry's gitHead is {ZERO}"


@pytest.mark.parametrize("told", [None, 7, "main", ZERO[:12], f"{ZERO}\n", "--upload-pack=x"])
def test_no_commit(repository: Path, tmp_path: Path, told: object) -> None:
    with pytest.raises(TallyError, match="does not say which commit") as caught:
        tree(repository, tmp_path, gitHead=told)
    assert "--commit" in (caught.value.hint or "")


@pytest.mark.parametrize("given", ["main", ZERO[:12], f"{ZERO}\n", "--all", ""])
def test_a_commit_that_is_none(repository: Path, tmp_path: Path, given: str) -> None:
    with pytest.raises(TallyError, match="no whole commit id"):
        tree(repository, tmp_path, given)


def test_a_commit_that_is_not_there(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(TallyError, match=f"the commit {ZERO} \\(the registry's gitHead\\) cannot be had"):
        tree(repository, tmp_path, gitHead=ZERO)


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("ext::sh -c id", "there is no repository"),
        ("file:///etc", "expected an address with"),
        ("https://user:secret@host.example/a", "user name or password"),
        ("/proc/nothing", "there is no repository"),
        ("--upload-pack=id", "there is no repository"),
        ("/proc", "in no git repository"),
        ("https://host.example", "ends in its name"),
        ("https://host.example/a/.git", "ends in its name"),
    ],
)
def test_no_repository(tmp_path: Path, where: str, said: str) -> None:
    with pytest.raises(TallyError, match=said) as caught:
        tree(where, tmp_path, ZERO)
    assert "secret" not in str(caught.value)


def test_a_folder_of_a_repository_with_several(repository: Path, tmp_path: Path) -> None:
    head = git(repository, "rev-parse", "HEAD")
    found = tree(repository, tmp_path, head, repository={"directory": "./packages/b/"})
    assert found.folder == "packages/b"
    text = npm_recipe.recipe_of(package(), "2" * 64, found).decode()
    assert "cd /build/tree/packages/b\n" in text
    assert "--ignore-scripts" in text
    assert f'rev = "{head}"' in text
    assert "1" * 64 not in text, "nothing of what is served is in it"
    (setting,) = [each for each in npm_recipe.settings_of(found) if each.name == "folder"]
    assert setting.published


@pytest.mark.parametrize("folder", ["../..", "/etc", "a/../../b", "\0"])
def test_a_folder_that_leads_out_is_told_and_left(repository: Path, tmp_path: Path, folder: str) -> None:
    found = tree(repository, tmp_path, git(repository, "rev-parse", "HEAD"), repository={"directory": folder})
    assert found.folder == ""
    assert "which is none" in found.notes[0]


@pytest.mark.parametrize("content", [None, "[]", "{", "[" * 100_000])
def test_no_package_there(repository: Path, tmp_path: Path, content: str | None) -> None:
    (repository / "package.json").unlink()
    if content is not None:
        (repository / "package.json").write_text(content)
    with pytest.raises(TallyError, match=r"no package\.json at its top"):
        tree(repository, tmp_path, commit(repository))


def test_a_package_json_that_is_a_link(repository: Path, tmp_path: Path) -> None:
    (repository / "package.json").unlink()
    (repository / "package.json").symlink_to("packages/b/package.json")
    with pytest.raises(TallyError, match=r"no package\.json at its top"):
        tree(repository, tmp_path, commit(repository))


def test_scripts_and_another_version_are_told(repository: Path, tmp_path: Path) -> None:
    manifest = {"name": "a", "version": "3.0.0", "scripts": {"prepack": "tsc", "test": "x"}}
    (repository / "package.json").write_text(json.dumps(manifest))
    found = tree(repository, tmp_path, commit(repository))
    assert found.scripts == ("prepack",)
    assert "calls itself 'a@3.0.0'" in found.notes[0]
    assert "a script prepack, which was not run" in npm_recipe.unrun_of(found)[0]


def test_the_address_of_a_clone_is_its_remotes(repository: Path, tmp_path: Path) -> None:
    head = git(repository, "rev-parse", "HEAD")
    told = {"url": "git+https://told.example/a.git"}
    assert tree(repository, tmp_path, head, repository=told).source.git == "https://told.example/a.git"
    git(repository, "remote", "add", "origin", "https://clone.example/a.git")
    assert tree(repository, tmp_path, head, repository=told).source.git == "https://clone.example/a.git"
