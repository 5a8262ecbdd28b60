"""Flakes as Nix resolves them, evaluated purely, with their locks as they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import contents, write_scratch
from orchestrator.ground.plainly import why
from orchestrator.nix import flake_errors
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.command import NixFailed
from orchestrator.pinning import flakelock
from orchestrator.pinning.flakeref import url_of

_AS_IT_IS = ("--no-write-lock-file", "--no-update-lock-file", "--option", "flake-registry", "")
_LARGEST_LOCK = 64 << 20
_PLAIN = {"core.autocrlf": "false", "core.eol": "lf", "core.attributesFile": "/dev/null"}
PLAIN_GIT = {
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_CONFIG_COUNT": str(len(_PLAIN)),
    **{f"GIT_CONFIG_KEY_{number}": name for number, name in enumerate(_PLAIN)},
    **{f"GIT_CONFIG_VALUE_{number}": value for number, value in enumerate(_PLAIN.values())},
}
"""What of this machine's git would change files, while it needs the rest of its settings to reach others."""


@dataclass(frozen=True, slots=True)
class Locked:
    """A flake at one state."""

    reference: Mapping[str, Any]
    """What a `locked` of flake.lock holds: `type`, `rev`, `narHash` and where it is."""
    directory: str
    """Of flake.nix, in the tree; empty: its top."""
    lock: Mapping[str, Any]
    """flake.lock, as Nix has it."""
    tree: Path
    """What was fetched, in the store."""

    @property
    def url(self) -> str:
        """Its address as pure evaluation takes it."""
        return url_of({**self.reference, **({"dir": self.directory} if self.directory else {})})

    @property
    def commit(self) -> str | None:
        found = self.reference.get("rev")
        return found if isinstance(found, str) else None

    @property
    def is_dirty(self) -> bool:
        """Whether it is a repository with uncommitted changes."""
        return self.reference.get("type") == "git" and self.commit is None

    @property
    def folder(self) -> Path | None:
        """Of this machine, where it is there."""
        if self.reference.get("type") == "path":
            return Path(str(self.reference["path"]))
        url = str(self.reference.get("url", ""))
        return Path(url.removeprefix("file://")) if url.startswith("file:///") else None


def locked(
    store: ChrootStore, reference: str, shown: str, environment: Mapping[str, str] = PLAIN_GIT
) -> Locked:
    """What a flake is now, in `store`. No lock file is written, nor made anew.

    `shown` is its address as the user has it, `environment` what git runs with. Raises TallyError.
    """
    if "narHash=" in reference.partition("?")[2]:
        # Nix would take a tree of that hash for whatever commit the address names, and not look
        raise TallyError(
            f"{shown} has a narHash in its address",
            hint="leave it out: the tree is fetched by its commit, and its hash goes into the evidence",
        )
    store = replace(store, nix=replace(store.nix, extra={**store.nix.extra, **environment}))
    tree = _fetched(store, reference, shown)
    command = ["nix", "flake", "metadata", "--store", store.address, "--json", "--show-trace", *_AS_IT_IS]
    lock = _lock_in(tree, directory_of(reference), shown)
    try:
        said = json.loads(store.nix.run([*command, reference]))
    except NixFailed as error:
        there = (tree / directory_of(reference) / "flake.nix").is_file()
        told = flake_errors.not_as_locked(error, lock, shown) if there else None
        raise told or flake_errors.unusable(error, shown) from error
    resolved = said["resolved"]
    here = {name: value for name, value in said["locked"].items() if not name.startswith("__")}
    here.pop("dir", None)
    try:
        url_of(here)
    except ValueError as error:
        raise TallyError(f"{shown}: {error}", hint="give it as git+https://… or as a folder") from error
    directory = str(resolved.get("dir", ""))
    if store.physical(said["path"]) != tree:
        raise TallyError(f"{shown} changed while it was looked at", hint="run the command again")
    _refuse_unlocked(lock, said["locks"], shown)
    return Locked(here, directory, said["locks"], tree)


def _fetched(store: ChrootStore, reference: str, shown: str) -> Path:
    """A flake's tree, of which nothing was read yet."""
    none = store.nix.scratch / "no-registry.json"  # Nix 2.8 looks for one here, needed or not
    write_scratch(none, '{"version": 2, "flakes": []}')
    registry = ("--option", "flake-registry", str(none))
    command = ["nix", "flake", "prefetch", "--store", store.address, "--json", *registry, reference]
    try:
        return store.physical(json.loads(store.nix.run(command))["storePath"])
    except NixFailed as error:
        raise flake_errors.unusable(error, shown) from error


def directory_of(reference: str) -> str:
    """Where in its tree the flake lies that an address names, or a folder of this machine, as Nix looks."""
    place, _, query = reference.partition("?")
    told = parse_qs(query).get("dir", [""])[-1]
    if not place.startswith("/") or told:
        return told
    flake, top = flake_and_top(Path(place))
    return "" if top is None or top == flake else str(flake.relative_to(top))


def flake_and_top(folder: Path) -> tuple[Path, Path | None]:
    """The folder of flake.nix that Nix finds from another, and its repository's; None: it is in none."""
    flake = next((each for each in (folder, *folder.parents) if (each / "flake.nix").exists()), folder)
    return flake, next((each for each in (flake, *flake.parents) if (each / ".git").exists()), None)


def whole_folder(reference: str) -> Path | None:
    """The folder of this machine that Nix takes as it is, whatever git says; None: it is another kind."""
    place = reference.partition("?")[0]
    if place.startswith("path:"):
        return Path(place.removeprefix("path:"))
    if not place.startswith("/"):
        return None
    flake, top = flake_and_top(Path(place))
    return flake if top is None else None


def _lock_in(tree: Path, directory: str, shown: str) -> Mapping[str, Any] | None:
    """A tree's flake.lock; None: it has none. Raises TallyError for one that Nix should not be given."""
    file = tree / directory / "flake.lock"
    try:
        if file.resolve() != tree.resolve() / directory / "flake.lock":
            raise TallyError(
                f"the flake.lock of {shown} is a link", hint="put the file itself into the flake"
            )
        return flakelock.parse(contents(file, _LARGEST_LOCK))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise TallyError(
            f"the flake.lock of {shown} cannot be read: {why(error)}",
            hint=f"take it from git again, or make it anew with `{flakelock.WRITE}`",
        ) from error


def _refuse_unlocked(lock: Mapping[str, Any] | None, used: Mapping[str, Any], shown: str) -> None:
    """Raises TallyError where Nix would use another lock than the flake has: it makes one where none fits."""
    pinned = flakelock.pins(used)
    if not pinned:
        return
    if lock is None:
        raise flake_errors.unlocked(shown, "has no flake.lock")
    if flakelock.pins(lock) != pinned:
        raise flake_errors.unlocked(shown, "has a flake.lock that does not fit its inputs")
