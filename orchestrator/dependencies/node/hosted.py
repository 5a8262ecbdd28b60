"""What locks of npm, yarn and pnpm take out of git repositories: by a commit, or not at all. Pure.

Of some hosts package managers take an archive of the commit's tree (hosted-git-info's `lib/hosts.js` has the
addresses); of others they ask git.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote, urlsplit

from orchestrator.dependencies.dependency import CommitTree, Dependency
from orchestrator.dependencies.node.entries import Bad
from orchestrator.ground.addresses import has_secret

_HOSTS: Final = ("bitbucket.org", "github.com", "gitlab.com")
"""Of which archives are taken."""
_GIT: Final = ("git+", "git:", "github:", "gitlab:", "bitbucket:", "git@", "ssh:")
_PROJECT: Final = r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9_-][A-Za-z0-9._-]*?"
_COMMIT: Final = r"[0-9a-f]{40}"
_HOSTED: Final = re.compile(
    rf"(?:git\+)?(?:ssh://git@|https://|git://)(?P<host>{'|'.join(map(re.escape, _HOSTS))})/"
    rf"(?P<project>{_PROJECT})(?:\.git)?#(?P<commit>{_COMMIT})"
)
_ARCHIVES: Final = tuple(
    re.compile(
        pattern.replace("PROJECT", f"(?P<project>{_PROJECT})").replace("COMMIT", f"(?P<commit>{_COMMIT})")
    )
    for pattern in (
        r"https://codeload\.(?P<host>github\.com)/PROJECT/tar\.gz/COMMIT",
        r"https://(?P<host>bitbucket\.org)/PROJECT/get/COMMIT\.tar\.gz",
        r"https://(?P<host>gitlab\.com)/PROJECT/repository/archive\.tar\.gz\?ref=COMMIT",
        r"https://(?P<host>gitlab\.com)/api/v4/projects/PROJECT/repository/archive\.tar\.gz\?(?:ref|sha)=COMMIT",
    )
)
_AT_COMMIT: Final = re.compile(rf"#({_COMMIT})$")
_OTHER: Final = re.compile(
    rf"git\+(?P<address>(?:https?|ssh|git|file)://[!-\"$-~]+)#{_COMMIT}|(?P<plain>git://[!-\"$-~]+)#{_COMMIT}"
)


def is_git(address: object) -> bool:
    """Whether what a lock says of where a package is means a repository."""
    return isinstance(address, str) and address.startswith(_GIT)


def of_archive(address: str) -> CommitTree | None:
    """The commit that an archive is of; None: it is no such archive."""
    for each in _ARCHIVES:
        if (found := each.fullmatch(unquote(address.partition("#")[0]))) is not None:
            return _tree(found)
    return None


def of_any(address: str, bad: Bad) -> CommitTree:
    """The commit of a repository. Raises BadLock for a branch, and for credentials."""
    if (hosted := _HOSTED.fullmatch(address)) is not None:
        return _tree(hosted)
    return of_repository(address, bad)


def of_repository(address: str, bad: Bad) -> CommitTree:
    """The commit of a repository, by the very address that git is given. Raises BadLock as `of_any` does."""
    if _AT_COMMIT.search(address) is None:
        hint = "write the lock again: it then has the commit"
        raise bad("it is from a branch of a git repository, which moves", hint)
    other = _OTHER.fullmatch(address)
    where = (other["address"] or other["plain"]) if other is not None else ""
    try:
        path, secret = urlsplit(where).path, has_secret(where)
    except ValueError:  # brackets that hold no address
        where, path, secret = "", "", False
    if not where or ".." in unquote(path).split("/"):
        raise bad(
            "it is from a repository whose address is not understood", "write it with https:// or ssh://"
        )
    if secret:
        raise bad(
            "the address of its repository has a user, a password or a token in it",
            "take them out of package.json and the lock, and let git's own credentials have them",
        )
    return CommitTree(where, address[-40:])


def dependency(name: str, version: str, tree: CommitTree, line: int) -> Dependency:
    """A package that is the tree of a commit."""
    file = f"{name.rpartition('/')[2]}-{version}-{tree.rev[:12]}"
    return Dependency(name, version, file, tree, (tree.url,), tree.address, line, rev=tree.rev)


def _tree(found: re.Match[str]) -> CommitTree:
    return CommitTree(f"https://{found['host']}/{found['project']}.git", found["commit"])
