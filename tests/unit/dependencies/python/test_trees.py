"""Packages that locks of Python projects take out of repositories: by a commit, or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

import pytest
from python_locks import asked, uv_lock

from orchestrator.dependencies.dependency import BadLock, CommitTree, Dependency, Ecosystem
from orchestrator.dependencies.python import manifest, pdm, poetry, pylock, uv
from orchestrator.pinning.depended import purl_of

COMMIT = "0123456789abcdef0123456789abcdef01234567"
URL = "https://git.test/x.git"
POETRY = (
    '[tool.poetry]\nname = "app"\nversion = "1"\n[tool.poetry.dependencies]\nx = { git = "' + URL + '" }\n'
)
PROJECT = '[project]\nname = "app"\nrequires-python = ">=3.9"\ndependencies = ["x"]\n'


def of_uv(url: str = URL, commit: str = COMMIT, more: str = "") -> Dependency:
    query = f"?subdirectory={more}&rev=main" if more else "?rev=main"
    text = f'[[package]]\nname = "x"\nversion = "1"\nsource = {{ git = "{url}{query}#{commit}" }}\n'
    [found] = uv.read(uv_lock(text, needs='    { name = "x" },\n'), "uv.lock", asked()).dependencies
    return found


def of_poetry(url: str = URL, commit: str = COMMIT, more: str = "") -> Dependency:
    below = f'subdirectory = "{more}"\n' if more else ""
    keys = {"dependencies": {"x": {"git": URL}}, "source": None, "extras": None, "dev-dependencies": None}
    content = hashlib.sha256(json.dumps(keys, sort_keys=True).encode()).hexdigest()
    text = (
        '[[package]]\nname = "x"\nversion = "1"\npython-versions = ">=3.8"\nfiles = []\n[package.source]\n'
        f'type = "git"\nurl = "{url}"\nreference = "main"\nresolved_reference = "{commit}"\n{below}'
        f'[metadata]\nlock-version = "2.1"\npython-versions = "^3.9"\ncontent-hash = "{content}"\n'
    )
    told = manifest.read(POETRY.encode(), "pyproject.toml")
    [found] = poetry.read(text.encode(), "poetry.lock", asked(), told).dependencies
    return found


def of_pdm(url: str = URL, commit: str = COMMIT, more: str = "") -> Dependency:
    below = f'subdirectory = "{more}"\n' if more else ""
    text = (
        '[metadata]\ngroups = ["default"]\nlock_version = "4.5.0"\ncontent_hash = "sha256:1"\n'
        '[[metadata.targets]]\nrequires_python = ">=3.9"\n[[package]]\nname = "x"\nversion = "1"\n'
        f'git = "{url}"\nref = "main"\nrevision = "{commit}"\n{below}'
    )
    told = manifest.read(PROJECT.encode(), "pyproject.toml")
    [found] = pdm.read(text.encode(), "pdm.lock", asked(), told).dependencies
    return found


def of_pylock(url: str = URL, commit: str = COMMIT, more: str = "", kind: str = "git") -> Dependency:
    below = f', subdirectory = "{more}"' if more else ""
    text = (
        'lock-version = "1.0"\ncreated-by = "a test"\n[[packages]]\nname = "x"\nversion = "1"\n'
        f'vcs = {{ type = "{kind}", url = "{url}", commit-id = "{commit}"{below} }}\n'
    )
    [found] = pylock.read(text.encode(), "pylock.toml", asked()).dependencies
    return found


Reader = Callable[..., Dependency]
every = pytest.mark.parametrize("of", [of_uv, of_poetry, of_pdm, of_pylock])


@every
def test_a_commit_pins_it(of: Reader) -> None:
    found = of()
    assert found.digest == CommitTree(URL, COMMIT)
    assert found.urls == (f"git+{URL}@{COMMIT}",)
    assert (found.key, found.rev, found.registry) == ("x@1", COMMIT, URL)
    assert found.direct
    assert found.shipped
    assert of("ssh://git@git.test/x").digest == CommitTree("ssh://git@git.test/x", COMMIT)


@every
def test_a_folder_of_a_commit(of: Reader) -> None:
    found = of(more="packages/x")
    assert (found.part, found.digest) == ("packages/x", CommitTree(URL, COMMIT))
    assert purl_of(Ecosystem.PYTHON, found).endswith(f"?vcs_url=git%2B{URL}%40{COMMIT}%23packages/x")
    assert of().part is None


@every
@pytest.mark.parametrize(
    ("url", "commit", "more", "said"),
    [
        (URL, "main", "", "no whole commit of it is told: a branch can move"),
        (URL, COMMIT[:12], "", "no whole commit"),
        (URL, COMMIT, "../part", "x is a part of a repository that is no folder: '../part'"),
        (URL, COMMIT, "a b", "is no folder"),
        ("https://me:secret@git.test/x", COMMIT, "", "a user, a password or a token"),
        ("https://token@git.test/x", COMMIT, "", "a user, a password or a token"),
        ("../x", COMMIT, "", "is no address of a repository"),
        ("ext::sh -c true", COMMIT, "", "is no address of a repository"),
    ],
)
def test_what_is_refused(of: Reader, url: str, commit: str, more: str, said: str) -> None:
    with pytest.raises(BadLock, match=said) as caught:
        of(url, commit, more)
    assert caught.value.hint
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("version", ["main", "1/../../x", "1|e"])
def test_what_no_sdist_can_be_called(version: str) -> None:
    source = f'version = "{version}"\nsource = {{ git = "{URL}#{COMMIT}" }}\n'
    lock = uv_lock('[[package]]\nname = "x"\n' + source, needs='    { name = "x" },\n')
    with pytest.raises(BadLock, match="is no name and version of a package"):
        uv.read(lock, "uv.lock", asked())


def test_repositories_of_others_than_git() -> None:
    with pytest.raises(BadLock, match="a repository that is not git's"):
        of_pylock(kind="hg")
