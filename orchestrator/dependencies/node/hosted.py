"""What locks of npm, yarn and pnpm take out of git repositories: by a commit, or not at all. Pure.

Of some hosts package managers take an archive of the commit's tree; of others they ask git. hosted-git-info's
`lib/hosts.js` has the addresses.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote, urlsplit

from orchestrator.dependencies.dependency import CommitTree, Dependency
from orchestrator.dependencies.node.entries import Bad

HOSTS: Final = ("bitbucket.org", "github.com", "gitlab.com")
"""Of which archives are taken where the commit is known."""
_GIT: Final = ("git+", "git:", "github:", "gitlab:", "bitbucket:", "git@", "ssh:")
_PROJECT: Final = r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9_-][A-Za-z0-9._-]*?"
_COMMIT: Final = r"[0-9a-f]{40}"
_HOSTED: Final = re.compile(
    rf"(?:git\+)?(?:ssh://git@|https://|git://)(?P<host>{'|'.join(map(re.escape, HOSTS))})/"
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


def is_archive(address: object) -> bool:
    """Whether it means an archive of a commit's tree, which its host makes anew for each who asks."""
    return isinstance(address, str) and _archive(address) is not None


def of_host(address: str, bad: Bad, who: str) -> CommitTree:
    """What an address means of which `who` takes an archive. Raises BadLock for any other repository."""
    found = _hosted(address, bad)
    if found is None:
        raise bad(*by_git(who))
    return found


def by_git(who: str) -> tuple[str, str]:
    """What is said of a repository that `who` asks git for, and the way out."""
    said = f"{who} asks git for it, and the build has no network; of the hosts {', '.join(HOSTS)} it takes "
    return (
        f"{said}archives, which the build has",
        "depend on a release of it in a registry, or have its tarball in the project",
    )


def of_any(address: str, bad: Bad) -> CommitTree:
    """What an address means, whatever the host is. Raises BadLock for none, or one with credentials."""
    found = _hosted(address, bad)
    if found is not None:
        return found
    other = _OTHER.fullmatch(address)
    if other is None:
        raise bad(
            "it is from a repository whose address is not understood", "write it with https:// or ssh://"
        )
    where = other["address"] or other["plain"]
    parts = urlsplit(where)
    if parts.password is not None or (parts.username and parts.scheme in ("http", "https")):
        raise bad(
            "the address of its repository has a user, a password or a token in it",
            "take them out of package.json and the lock, and let git's own credentials have them",
        )
    return CommitTree(where, address[-40:])


def dependency(name: str, version: str, tree: CommitTree, line: int) -> Dependency:
    """A package that is the tree of a commit."""
    file = f"{name.rpartition('/')[2]}-{version}-{tree.rev[:12]}"
    return Dependency(name, version, file, tree, (tree.url,), tree.address, line, rev=tree.rev)


def _hosted(address: str, bad: Bad) -> CommitTree | None:
    """Of a host whose archives are taken; None: of another. Raises BadLock where no commit is told."""
    found = _archive(address)
    if found is not None:
        return found
    if _AT_COMMIT.search(address) is None:
        raise bad(
            "it is from a branch of a git repository, which moves",
            "write the lock again: it then has the commit",
        )
    hosted = _HOSTED.fullmatch(address)
    return None if hosted is None else _tree(hosted)


def _archive(address: str) -> CommitTree | None:
    for each in _ARCHIVES:
        if (found := each.fullmatch(unquote(address.partition("#")[0]))) is not None:
            return _tree(found)
    return None


def _tree(found: re.Match[str]) -> CommitTree:
    return CommitTree(f"https://{found['host']}/{found['project']}.git", found["commit"])
