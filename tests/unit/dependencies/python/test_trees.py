"""Packages that locks of Python projects take out of repositories: by a commit, or not at all."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from python_locks import asked, pdm_of_x, poetry_of_x, pylock_of_x, uv_lock, uv_of_x

from orchestrator.dependencies.dependency import BadLock, CommitTree, Dependency, Ecosystem
from orchestrator.dependencies.python import uv
from orchestrator.pinning.depended import purl_of

COMMIT = "0123456789abcdef0123456789abcdef01234567"
URL = "https://git.test/x.git"


def of_uv(url: str = URL, commit: str = COMMIT, more: str = "") -> Dependency:
    query = f"?subdirectory={more}&rev=main" if more else "?rev=main"
    [found] = uv_of_x(f'git = "{url}{query}#{commit}"').dependencies
    return found


def of_poetry(url: str = URL, commit: str = COMMIT, more: str = "") -> Dependency:
    below = f'subdirectory = "{more}"\n' if more else ""
    source = f'type = "git"\nurl = "{url}"\nreference = "main"\nresolved_reference = "{commit}"\n{below}'
    [found] = poetry_of_x(("git", URL), "", source).dependencies
    return found


def of_pdm(url: str = URL, commit: str = COMMIT, more: str = "") -> Dependency:
    below = f'subdirectory = "{more}"\n' if more else ""
    [found] = pdm_of_x(f'git = "{url}"\nref = "main"\nrevision = "{commit}"\n{below}').dependencies
    return found


def of_pylock(url: str = URL, commit: str = COMMIT, more: str = "", kind: str = "git") -> Dependency:
    below = f', subdirectory = "{more}"' if more else ""
    source = f'vcs = {{ type = "{kind}", url = "{url}", commit-id = "{commit}"{below} }}'
    [found] = pylock_of_x(source).dependencies
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
        ("https://git.test/x;token=secret", COMMIT, "", "a user, a password or a token"),
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
