"""The repository that a user names for an npm package: one commit's tree, pinned by its digest.

A registry keeps no source. Its answer may name the commit that a version was published from (`gitHead`, which
npm puts there) and the folder in the repository (`repository.directory`, by package.json). Both are its word
alone: what is built from them is compared with what it serves, and that decides.
"""

from __future__ import annotations

import json
import re
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from orchestrator.ground.addresses import without_credentials
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import contents, expanded
from orchestrator.ground.nar import nar_hash
from orchestrator.pinning.request import outside_source
from orchestrator.recipe.lock import SourcePin
from orchestrator.recipe.recipe import GitSource
from orchestrator.recipe.values import address, relative
from orchestrator.recipe.wanted import wanted_from
from orchestrator.repositories.git import NoRepositoryError, git, head
from orchestrator.repositories.gitremote import export_remote, fetch
from orchestrator.repositories.repository import remote
from orchestrator.served.npm import Package
from orchestrator.sources.folder import Sources

_COMMIT: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SCHEMES: Final = ("https", "http", "git", "ssh")
_NOWHERE: Final = "https://on-this-machine.invalid/repository"
"""What a recipe has for an address of a repository that has none but its folder."""
_BRANCH: Final = "refs/heads/pinned"
_SCRIPTS: Final = ("prepublish", "prepublishOnly", "prepack", "prepare")
"""What `npm publish` runs before it packs."""
_LARGEST: Final = 1 << 22


@dataclass(frozen=True, slots=True)
class Origin:
    """What the user says of where a package is from."""

    repository: str
    """An address, or a folder of this machine."""
    commit: str | None = None
    """None: the one that the registry tells."""


@dataclass(frozen=True, slots=True)
class Tree:
    """The source of a package, which is among the sources of this machine."""

    source: GitSource
    folder: str
    """Where in it the package is; empty: at its top."""
    commit_by: str
    """Whose word the commit is."""
    scripts: tuple[str, ...]
    """Those of its package.json that run before it is packed."""
    notes: tuple[str, ...]


def tree_of(package: Package, origin: Origin, sources: Sources) -> Tree:
    """Fetch the commit. Raises TallyError where there is none, or where it has no such package."""
    commit, commit_by = _commit(package, origin)
    place, shown = _place(origin.repository)
    folder, folder_note = _folder(package)
    with tempfile.TemporaryDirectory(prefix="tallystick-npm-") as name:
        copy, tree = Path(name, "repository"), Path(name, "tree")
        copy.mkdir()
        tree.mkdir()
        try:
            fetch(copy, place, commit)
            git(copy, "update-ref", _BRANCH, commit)
            export_remote(f"file://{copy}", commit, tree)
        except TallyError as error:
            raise TallyError(
                f"{package.named}: the commit {commit} ({commit_by}) cannot be had from "
                f"{without_credentials(origin.repository)}: {error.message}",
                hint=error.hint or "see the repository, and give another commit with --commit",
            ) from error
        manifest = _manifest(tree, folder, package)
        source = GitSource(git=shown or _told(package) or _NOWHERE, rev=commit, nar_sha256=nar_hash(tree).hex)
        pin = SourcePin(kind="git", nar_sha256=source.nar_sha256, rev=commit)
        wanted = wanted_from(outside_source(source, pin))
        sources.fetch(replace(wanted, urls=(f"git+file://{copy}@{commit}",)))
    notes = [*folder_note, *_unlike(package, manifest, commit)]
    return Tree(source, folder, commit_by, _scripts(manifest), tuple(notes))


def _commit(package: Package, origin: Origin) -> tuple[str, str]:
    told = package.said.get("gitHead")
    told = told if isinstance(told, str) and _COMMIT.fullmatch(told) else None
    if origin.commit is None:
        if told is None:
            raise TallyError(
                f"{package.named}: the registry does not say which commit it was published from",
                hint="give the commit with --commit",
            )
        return told, "the registry's gitHead"
    if not _COMMIT.fullmatch(origin.commit):
        raise TallyError(
            f"--commit {origin.commit[:80]!a} is no whole commit id",
            hint="give all of it, as `git rev-parse HEAD` prints it",
        )
    if told is not None and told != origin.commit:
        return origin.commit, f"--commit; the registry's gitHead is {told}"
    return origin.commit, "--commit"


def _place(repository: str) -> tuple[str, str | None]:
    """Where git fetches from, and the address that others have it by; None: it has none."""
    if "://" in repository:
        try:
            return repository, _named(str(address(*_SCHEMES).func(repository)))
        except ValueError as error:
            raise TallyError(f"--repository {without_credentials(repository)[:200]}: {error}") from None
    folder = expanded(Path(repository)).absolute()
    if not folder.is_dir():
        raise TallyError(
            f"there is no repository {repository[:200]}", hint="give its address, or a folder of this machine"
        )
    try:
        top, _ = head(folder)
    except NoRepositoryError as error:
        raise TallyError(f"{folder} is in no git repository", hint="clone it, and name the clone") from error
    return f"file://{top}", _plain(remote(top))


def _named(text: str) -> str:
    """An address whose last part is a name. Raises ValueError."""
    if not urlsplit(text).path.removesuffix("/").rpartition("/")[2].removesuffix(".git"):
        raise ValueError("expected the address of a repository, with a path that ends in its name")
    return text


def _told(package: Package) -> str | None:
    """The address in its package.json, as recipes have them."""
    said = package.said.get("repository")
    url = said.get("url") if isinstance(said, dict) else said
    return _plain(url if isinstance(url, str) else None)


def _plain(text: str | None) -> str | None:
    try:
        return _named(str(address(*_SCHEMES).func((text or "").removeprefix("git+"))))
    except ValueError:
        return None


def _folder(package: Package) -> tuple[str, tuple[str, ...]]:
    said = package.said.get("repository")
    told = said.get("directory") if isinstance(said, dict) else None
    if not isinstance(told, str) or told in ("", ".", "./", "/"):
        return "", ()
    folder = told.removeprefix("./").rstrip("/")
    try:
        return relative(folder), ()
    except ValueError:
        return "", (f"the registry names the folder {told[:100]!a} of the repository, which is none",)


def _manifest(tree: Path, folder: str, package: Package) -> dict[str, Any]:
    place = tree
    for part in (*(folder.split("/") if folder else ()), "package.json"):
        place = place / part
        if place.is_symlink():
            break
    try:
        if place.is_symlink() or not place.is_file():
            raise FileNotFoundError
        found = json.loads(contents(place, _LARGEST))
        if not isinstance(found, dict):
            raise TypeError
    except (OSError, ValueError, TypeError, RecursionError) as error:
        where = f"in the folder {folder}" if folder else "at its top"
        raise TallyError(
            f"{package.named}: the commit has no package.json {where} that can be read",
            hint="see whether it is the package's repository, and give the commit with --commit",
        ) from error
    return found


def _unlike(package: Package, manifest: dict[str, Any], commit: str) -> list[str]:
    named = package.named
    said = f"{manifest.get('name')}@{manifest.get('version')}"
    if said == f"{named.package}@{named.version}":
        return []
    return [
        f"package.json calls itself {said[:200]!a} at {commit[:12]}, and not {named.package}@{named.version}"
    ]


def _scripts(manifest: dict[str, Any]) -> tuple[str, ...]:
    found = manifest.get("scripts")
    return tuple(each for each in _SCRIPTS if isinstance(found, dict) and each in found)
