"""Commits of repositories elsewhere, with submodules and large files when a recipe asks for them."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from orchestrator.ground.addresses import without_credentials
from orchestrator.ground.errors import TallyError
from orchestrator.recipe.wanted import PLAIN, Extras
from orchestrator.repositories import lfs
from orchestrator.repositories.bounds import Budget
from orchestrator.repositories.git import git
from orchestrator.repositories.gittree import export_tree

# ssh in git's short form, and nothing that would be a command or a path of this machine
_ADDRESS = re.compile(
    r"(https?|git|ssh)://([A-Za-z0-9._~%][^@/\s]*@)?[^/@\s-][^/@\s]*(/\S*)?"
    r"|[A-Za-z0-9_][A-Za-z0-9._-]*@[A-Za-z0-9][A-Za-z0-9.-]*:[^\s:]+"
)


def export_remote(
    address: str,
    rev: str,
    folder: Path,
    extras: Extras = PLAIN,
    depth: int = 0,
    budget: Budget | None = None,
) -> None:
    """Fetch one commit of a repository and write its tree into a folder that is there and empty.

    `depth` is 0 for the source itself, and `budget` is what the source and all its submodules may use.
    Raises TallyError when the repository or the commit cannot be had, or its tree cannot be a source.
    """
    budget = budget or Budget(f"the repository {without_credentials(address)}")
    with tempfile.TemporaryDirectory(prefix="tallystick-git-") as name:
        repository = Path(name)
        fetch(repository, address, rev)
        submodules = export_tree(repository, rev, "", folder, budget)
        if extras.lfs is not False and (pointers := lfs.pointers(folder)):
            if extras.lfs is None:
                raise lfs.refusal(pointers)
            lfs.fill(folder, pointers, lfs.fetched(repository, address, rev))
        if not submodules or not extras.submodules:
            return
        addresses = _addresses(repository, rev, address)
        for each in submodules:
            budget.submodule(depth + 1)
            if each.path not in addresses:
                raise TallyError(f".gitmodules of {address} has no address for the submodule {each.path}")
            try:
                export_remote(
                    addresses[each.path], each.commit, folder / each.path, extras, depth + 1, budget
                )
            except TallyError as error:
                raise TallyError(f"submodule {each.path}: {error.message}", hint=error.hint) from error


def fetch(repository: Path, address: str, rev: str) -> None:
    """Make an empty folder a repository that holds a commit of another one. Raises TallyError."""
    kind = "sha256" if len(rev) == 64 else "sha1"
    git(repository, "init", "--quiet", "--template=", f"--object-format={kind}")
    refused = None
    try:
        git(
            repository,
            "fetch",
            "--quiet",
            "--no-tags",
            "--depth=1",
            "--end-of-options",
            address,
            rev,
            fetching=True,
        )
    except TallyError as error:
        # older servers hand out branches and tags alone: fetch those, and look for the commit in them
        refused = error
        every = "+refs/heads/*:refs/remotes/origin/*"
        git(repository, "fetch", "--quiet", "--tags", "--end-of-options", address, every, fetching=True)
    found = git(repository, "rev-parse", "--verify", "--quiet", f"{rev}^{{commit}}", missing="").strip()
    if found and found != rev:
        said = git(repository, "cat-file", "tag", rev, missing="")
        named = re.search(r"^tag (.+)$", said, re.MULTILINE)
        raise TallyError(
            f"{rev} is no commit: that is tag {named[1] if named else 'of'}, whose commit is {found}",
            hint=f'write rev = "{found}"',
        )
    if not found:
        why = f" ({refused.message})" if refused else ""
        raise TallyError(
            f"the repository has no commit {rev} on a branch or tag{why}",
            hint="check the address and rev, a whole commit id as `git rev-parse HEAD` prints it",
        )


def _addresses(repository: Path, rev: str, parent: str) -> dict[str, str]:
    """Path to address of every submodule that `.gitmodules` of a commit names."""
    arguments = ("--blob", f"{rev}:.gitmodules", "-z", "--get-regexp", r"^submodule\..*\.(path|url)$")
    values: dict[str, dict[str, str]] = {}
    for entry in git(repository, "config", *arguments, missing="").split("\0"):
        key, _, value = entry.partition("\n")
        name, _, variable = key.removeprefix("submodule.").rpartition(".")
        values.setdefault(name, {})[variable] = value
    return {
        each["path"]: address_of(each["url"], parent)
        for each in values.values()
        if each.keys() == {"path", "url"}
    }


def address_of(url: str, parent: str) -> str:
    """A submodule's address, which may be relative to its parent's. Raises TallyError for none."""
    if not url.startswith(("./", "../")):
        if not _ADDRESS.fullmatch(url):
            raise TallyError(f"the submodule's address {url[:200]!r} is none that sources are fetched from")
        return url
    base = parent.rstrip("/")
    while url.startswith(("./", "../")):
        step, _, url = url.partition("/")
        if step == "..":
            base = base.rpartition("/")[0]
    if base.endswith((":", "/")) or not base or not url:
        raise TallyError("a submodule's relative address leads out of its server")
    return f"{base}/{url}"
