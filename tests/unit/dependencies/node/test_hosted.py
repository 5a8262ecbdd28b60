"""Repositories in locks of npm, yarn and pnpm: which commit of which, or why not."""

from __future__ import annotations

import pytest

from orchestrator.dependencies.dependency import BadLock, CommitTree
from orchestrator.dependencies.node import hosted

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def bad(problem: str, hint: str | None = None) -> BadLock:
    return BadLock("lock", 1, problem, hint=hint or "again")


@pytest.mark.parametrize(
    ("address", "host"),
    [
        (f"git+ssh://git@github.com/o/r.js.git#{COMMIT}", "github.com"),
        (f"git+https://github.com/o/r.js#{COMMIT}", "github.com"),
        (f"git://github.com/o/r.js.git#{COMMIT}", "github.com"),
        (f"https://codeload.github.com/o/r.js/tar.gz/{COMMIT}", "github.com"),
        (f"https://bitbucket.org/o/r.js/get/{COMMIT}.tar.gz", "bitbucket.org"),
        (f"https://gitlab.com/o/r.js/repository/archive.tar.gz?ref={COMMIT}", "gitlab.com"),
        (f"https://gitlab.com/api/v4/projects/o%2Fr.js/repository/archive.tar.gz?ref={COMMIT}", "gitlab.com"),
        (f"https://gitlab.com/api/v4/projects/o%2Fr.js/repository/archive.tar.gz?sha={COMMIT}", "gitlab.com"),
    ],
)
def test_a_commit_of_a_host_whose_archives_are_taken(address: str, host: str) -> None:
    tree = CommitTree(f"https://{host}/o/r.js.git", COMMIT)
    archive = address.startswith("https:")
    assert hosted.of_archive(address) == (tree if archive else None)
    assert archive or hosted.of_any(address, bad) == tree


@pytest.mark.parametrize(
    "address", ["https://git.test/o/r.git", "ssh://git@git.test/o/r", "http://git.test/r", "file:///srv/r"]
)
def test_a_commit_of_another_host(address: str) -> None:
    assert hosted.of_any(f"git+{address}#{COMMIT}", bad) == CommitTree(address, COMMIT)
    assert hosted.of_repository(f"git+{address}#{COMMIT}", bad) == CommitTree(address, COMMIT)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("git+https://github.com/o/r.git#main", "a branch of a git repository, which moves"),
        (f"git+https://github.com/o/r.git#{COMMIT[:12]}", "a branch"),
        ("https://codeload.github.com/o/r/tar.gz/main", "a branch"),
        (f"git+https://u:p@git.test/r.git#{COMMIT}", "has a user, a password or a token in it"),
        (f"git+https://token@github.com/o/r.git#{COMMIT}", "has a user"),
        (f"git+https://git.test/r.git?private_token=u:p#{COMMIT}", "has a user, a password or a token"),
        (f"git+https://[git.test/r.git#{COMMIT}", "whose address is not understood"),
        (f"git+ssh://git@github.com/o/../r.git#{COMMIT}", "whose address is not understood"),
        (f"git+https://git.test/%2e%2e/r.git#{COMMIT}", "whose address is not understood"),
        (f"git+ext::sh#{COMMIT}", "whose address is not understood"),
        (f"git+https://git.test/a b#{COMMIT}", "whose address is not understood"),
        (f"git+../r#{COMMIT}", "whose address is not understood"),
    ],
)
def test_what_is_refused(address: str, said: str) -> None:
    with pytest.raises(BadLock, match=said) as caught:
        hosted.of_any(address, bad)
    assert caught.value.hint
    assert "u:p" not in caught.value.message


def test_what_means_a_repository() -> None:
    assert hosted.is_git("git+https://git.test/r#x")
    assert hosted.is_git("github:o/r")
    assert not hosted.is_git("https://git.test/r.git")
    assert not hosted.is_git(None)
    assert hosted.of_archive(f"https://codeload.github.com/o/../tar.gz/{COMMIT}") is None
    assert hosted.of_archive("https://codeload.github.com/o/r/tar.gz/v1") is None
