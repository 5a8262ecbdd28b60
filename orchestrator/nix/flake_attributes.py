"""Attributes of a flake, evaluated purely: what they are, wherever the flake and the store lie.

Nix before 2.20 tells the folders of this machine in pure evaluation, too: `toString ./.` is below the store's
own, and `~/.` is the user's home. So with these a flake is evaluated twice, in two places.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from orchestrator.ground.errors import TallyError
from orchestrator.nix import apart, flake_errors
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.command import NixFailed, version_tuple
from orchestrator.nix.evaluation import LIBRARY
from orchestrator.nix.flakes import PLAIN_GIT, Locked
from orchestrator.nix.foreign import Described, described, elsewhere, path_of

_OF_FETCHING = (".config", ".gitconfig", ".git-credentials", ".netrc", ".ssh")
_MOST = 120_000  # bytes of one word of a command, of which Linux takes 128 KiB
_TELLS_NO_PLACES = (2, 20)

_Place = tuple[Sequence[str], ChrootStore, Path]
"""What a command begins with, the store as the command sees it, and a folder for its home."""


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

    Raises TallyError that says where, also for what depends on a folder of this machine.
    """
    found: list[Described] = []
    with _places(store) as places:
        for some in _portions(flake, [paths_of(each, system) for each in attributes]):
            # one after the other: the second finds in the store what the first had to fetch
            said, *again = (_said(place, some, flake, shown) for place in places)
            names = [each or "default" for each in attributes[len(found) : len(found) + len(said)]]
            for other in again:
                _refuse_placed(said, other, names, shown)
            found += [
                described(value, name, shown, joint="#") for value, name in zip(said, names, strict=True)
            ]
    return found


def evaluate_packages(store: ChrootStore, flake: Locked, system: str, shown: str) -> Mapping[str, str | None]:
    """Every package of a flake for `system` to its `.drv`, instantiated in `store`; None: it has none.

    Such are sets, and what throws when it is evaluated, as a broken package of nixpkgs. Raises TallyError
    for a flake without packages.
    """
    here: _Place = ((), store, store.nix.scratch)
    path = ["packages", system]
    (whole,) = _said(here, {"locked": flake.url, "attributes": [[path]]}, flake, shown)
    if whole["kind"] != "set":
        raise TallyError(
            f"{shown} has no packages for {system}", hint="name one thing in it, as FLAKE#ATTRIBUTE"
        )
    found: dict[str, str | None] = {}
    names = list(whole["names"])
    for some in _portions(flake, [[[*path, name]] for name in names]):
        said = _said(here, {**some, "tried": True}, flake, shown)
        for name, value in zip(names[len(found) : len(found) + len(said)], said, strict=True):
            found[name] = str(value["drv"]) if value["kind"] == "derivation" else None
    return found


def _refuse_placed(
    said: Sequence[Mapping[str, Any]], again: Sequence[Mapping[str, Any]], names: Sequence[str], shown: str
) -> None:
    for one, another, name in zip(said, again, names, strict=True):
        if one.get("drv") != another.get("drv"):
            raise TallyError(
                f"{shown}#{name} is another derivation in another folder, so nobody can make it again",
                hint="it has `toString ./.`, `~/.` or the like: `${./.}` puts the folder into the store",
            )


@contextmanager
def _places(store: ChrootStore) -> Iterator[Sequence[_Place]]:
    """Where it is evaluated: as it is, and where Nix tells of places, with store and home in another one."""
    here: _Place = ((), store, store.nix.scratch)
    if version_tuple(store.nix.version) >= _TELLS_NO_PLACES:
        yield [here]
        return
    with TemporaryDirectory(prefix="tally-", dir=elsewhere(store.root)) as other:
        root = Path(other, secrets.token_hex(4))
        if len(str(root)) == len(str(store.root)):
            root = root.with_name(f"{root.name}-")
        root.mkdir()
        choices = json.dumps({"bind": [str(store.root), str(root)]})
        program = (sys.executable, "-I", str(Path(apart.__file__)), choices)
        try:
            store.nix.run([*program, "true"])
        except NixFailed:  # no namespaces: nothing can be built here either
            yield [here]
            return
        yield [here, (program, replace(store, root=root), Path(other))]


def _said(place: _Place, request: Mapping[str, Any], flake: Locked, shown: str) -> list[dict[str, Any]]:
    """What evaluation tells of each attribute. Raises TallyError that says where."""
    program, store, folder = place
    library = " ".join(
        f"({(LIBRARY / name).read_text()})" for name in ("flake-attributes.nix", "describe.nix")
    )
    command = [
        *store.command("nix-instantiate", "--eval", "--strict", "--json", "--read-write-mode"),
        *("--option", "pure-eval", "true", "--option", "flake-registry", "", "--show-trace"),
        *("--expr", library, "--argstr", "request", json.dumps(request)),
    ]
    extra = {**store.nix.extra, **PLAIN_GIT, "HOME": str(_home(folder))}
    try:
        said: list[dict[str, Any]] = json.loads(replace(store.nix, extra=extra).run([*program, *command]))
    except NixFailed as error:
        raise flake_errors.unevaluated(error, flake.lock, shown) from error
    return said


def _home(scratch: Path) -> Path:
    """A home that holds what fetching needs, at a place that no other run has: pure Nix 2.8 tells it."""
    home = scratch / f"home-{uuid.uuid4()}"
    home.mkdir()
    ours = Path(os.environ.get("HOME", "/nowhere"))
    for name in _OF_FETCHING:
        if (there := ours / name).exists():
            (home / name).symlink_to(there)
    return home


def _portions(flake: Locked, attributes: Sequence[list[list[str]]]) -> list[dict[str, Any]]:
    """Requests that fit on a command line, since pure evaluation reads no file of ours."""
    found: list[dict[str, Any]] = []
    size = _MOST
    for paths in attributes:
        length = len(json.dumps(paths)) + 2
        if size + length > _MOST:
            found.append({"locked": flake.url, "attributes": []})
            size = len(flake.url) + 100
        found[-1]["attributes"].append(paths)
        size += length
    return found
