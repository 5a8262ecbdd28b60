"""Flakes as Nix resolves them, evaluated purely, with their locks as they are."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import contents
from orchestrator.ground.plainly import why
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.command import NixFailed
from orchestrator.nix.evaluation import LIBRARY
from orchestrator.nix.foreign import Described, described, path_of
from orchestrator.nix.trace import explained
from orchestrator.recipe.flakeref import url_of

_AS_IT_IS = ("--no-write-lock-file", "--no-update-lock-file", "--option", "flake-registry", "")
_NEEDS_LOCK = "requires lock file changes"
_LARGEST_LOCK = 64 << 20
_ANSWERS = "see whether its address, and that of each of its inputs, is right and answers"
_UNKNOWN_TO_GIT = re.compile(
    r"(getting status of|path) '[^']*flake\.nix'.*(No such file|does not exist|not tracked)",
    re.IGNORECASE | re.DOTALL,
)
_UNANSWERED = ("unable to download", "' failed with exit code", "getting status of", "does not exist")
_MOST = 120_000  # bytes of one word of a command, of which Linux takes 128 KiB


@dataclass(frozen=True, slots=True)
class Locked:
    """A flake at one state."""

    reference: Mapping[str, Any]
    """What a `locked` of flake.lock holds: `type`, `rev`, `narHash` and where it is."""
    directory: str
    """Of flake.nix, in the tree; empty: its top."""
    lock: Mapping[str, Any]
    """flake.lock, as Nix has it."""

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


def locked(store: ChrootStore, reference: str, shown: str) -> Locked:
    """What a flake is now, in `store`. No lock file is written, nor made anew. Raises TallyError."""
    command = ["nix", "flake", "metadata", "--store", store.address, "--json", *_AS_IT_IS, reference]
    try:
        said = json.loads(store.nix.run(command))
    except NixFailed as error:
        raise _unusable(error, reference, shown) from error
    resolved = said["resolved"]
    here = {name: value for name, value in said["locked"].items() if not name.startswith("__")}
    here.pop("dir", None)
    try:
        url_of(here)
    except ValueError as error:
        raise TallyError(f"{shown}: {error}", hint="give it as git+https://… or as a folder") from error
    directory = str(resolved.get("dir", ""))
    _refuse_unlocked(store.physical(said["path"]) / directory / "flake.lock", said["locks"], shown)
    return Locked(here, directory, said["locks"])


def _refuse_unlocked(file: Path, lock: Mapping[str, Any], shown: str) -> None:
    """Raises TallyError where Nix would use another lock than the flake has: it makes one where none fits."""
    used = _pins(lock)
    if not used:
        return
    try:
        there = _pins(json.loads(contents(file, _LARGEST_LOCK)))
    except FileNotFoundError:
        raise _unlocked(shown, "has no flake.lock") from None
    except (OSError, ValueError, AttributeError, TypeError, RecursionError) as error:
        raise TallyError(
            f"the flake.lock of {shown} cannot be read: {why(error)}", hint="take it from git again"
        ) from error
    if there != used:
        raise _unlocked(shown, "has a flake.lock that does not fit its inputs")


def _pins(lock: Mapping[str, Any]) -> dict[str, Any]:
    """Each input's node to what identifies its content."""
    nodes = {name: node.get("locked") for name, node in lock.get("nodes", {}).items()}
    return {name: (each.get("narHash"), each.get("rev")) for name, each in nodes.items() if each is not None}


def _unlocked(shown: str, how: str) -> TallyError:
    return TallyError(
        f"the flake {shown} {how}, and evaluation writes none",
        hint="lock it with `nix flake lock`, and commit flake.lock",
    )


def _unusable(error: NixFailed, reference: str, shown: str) -> TallyError:
    folder = Path(reference.removeprefix("path:").removeprefix("git+file://").split("?")[0])
    if "could not find a flake.nix" in error.said:
        return TallyError(
            f"there is no flake.nix in {folder}, nor above it in its repository",
            hint="go to the folder that has one, or name it, as in FOLDER#ATTRIBUTE",
        )
    if _UNKNOWN_TO_GIT.search(error.said) and (folder / "flake.nix").is_file():
        return TallyError(
            f"git does not know the flake.nix in {folder}",
            hint="git add flake.nix: a flake in a repository is made of the files that git knows",
        )
    if re.search(r"flake\.nix:\d+:\d+", error.said):  # what is wrong stands in it
        return explained(error, {})
    local = folder if (folder / "flake.nix").is_file() else None
    lacks = local is not None and not (local / "flake.lock").exists()
    if _NEEDS_LOCK in error.said or lacks:
        return _unlocked(
            shown, "has no flake.lock" if lacks else "has a flake.lock that does not fit its inputs"
        )
    if "json.exception" in error.said:
        return TallyError(
            f"the flake.lock of {shown} is not JSON",
            hint="take it from git again, or make it anew with `nix flake lock`",
        )
    told = explained(error, {})
    if git := re.search(r"^\s*fatal: (.+)$", error.said, re.MULTILINE):
        return TallyError(f"{shown}: git says: {git[1]}", hint=_ANSWERS)
    if any(each in error.said for each in _UNANSWERED):
        return TallyError(f"{shown}: {told.message}", hint=_ANSWERS)
    return told


def paths_of(attribute: str, system: str) -> list[list[str]]:
    """The attribute paths that Nix tries for `FLAKE#ATTRIBUTE`, in order (`nix build`, "Installables")."""
    if attribute.startswith("."):
        return [path_of(attribute[1:])]
    if not attribute:
        return [["packages", system, "default"], ["defaultPackage", system]]
    names = path_of(attribute)
    return [["packages", system, *names], ["legacyPackages", system, *names], names]


def evaluate_flake(
    store: ChrootStore, flake: Locked, attributes: Sequence[str], system: str, shown: str
) -> list[Described]:
    """What attributes of a flake are, instantiated in `store`, in one invocation of Nix for a few thousand.

    Raises TallyError that says where.
    """
    found: list[Described] = []
    for some in _portions(flake, attributes, system):
        library = " ".join(
            f"({(LIBRARY / name).read_text()})" for name in ("flake-attributes.nix", "describe.nix")
        )
        command = [
            *store.command("nix-instantiate", "--eval", "--strict", "--json", "--read-write-mode"),
            *("--option", "pure-eval", "true", "--option", "flake-registry", "", "--show-trace"),
            *("--expr", library, "--argstr", "request", json.dumps(some)),
        ]
        try:
            said = json.loads(store.nix.run(command))
        except NixFailed as error:
            raise explained(error, {}) from error
        names = attributes[len(found) : len(found) + len(said)]
        found += [described(value, name or "default", shown) for value, name in zip(said, names, strict=True)]
    return found


def _portions(flake: Locked, attributes: Sequence[str], system: str) -> list[dict[str, Any]]:
    """Requests that fit on a command line, since pure evaluation reads no file of ours."""
    found: list[dict[str, Any]] = []
    size = _MOST
    for attribute in attributes:
        paths = paths_of(attribute, system)
        length = len(json.dumps(paths)) + 2
        if size + length > _MOST:
            found.append({"locked": flake.url, "attributes": []})
            size = len(flake.url) + 100
        found[-1]["attributes"].append(paths)
        size += length
    return found
