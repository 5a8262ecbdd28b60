"""From attributes of flakes to derivations, each flake in one invocation of Nix."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from orchestrator.builders import host
from orchestrator.evidence.definition import of_flake
from orchestrator.ground.errors import TallyError
from orchestrator.nix import flakes
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.flake_attributes import evaluate_flake, evaluate_packages
from orchestrator.nix.flakes import Locked
from orchestrator.nix.foreign import Described
from orchestrator.pinning import flakelock
from orchestrator.pinning.flakeref import is_local, nar_sha256, url_of
from orchestrator.repositories import lentcommit
from orchestrator.repositories.git import head
from orchestrator.repositories.repository import remote
from orchestrator.repositories.revision import Revision, address_of
from orchestrator.repositories.tree import refuse_private_keys, tree_of
from orchestrator.run import localflake
from orchestrator.run.asked import FlakeAttribute
from orchestrator.run.derivations import Wanted, licence_of
from orchestrator.run.localflake import LocalFlake
from orchestrator.run.workshop import Workshop

_FORGES = {"github": "github.com", "gitlab": "gitlab.com", "sourcehut": "git.sr.ht"}
_PLACES = ("path", "url", "dirtyRev", "dirtyShortRev")
"""What a local reference has of this machine."""

_Found = tuple[Locked, Revision | None, str | None]
"""A flake, its commit, and if there is none, why."""


def evaluated(workshop: Workshop, asked: Sequence[FlakeAttribute], system: str | None = None) -> list[Wanted]:
    """The derivations that attributes are. Raises TallyError for the first that is none.

    `system` is what is put before an attribute's names; None: what this machine is.
    """
    found = []
    for number, flake in enumerate(dict.fromkeys(each.flake for each in asked)):
        those = [each for each in asked if each.flake == flake]
        scratch = workshop.store.nix.scratch / f"flake-{number}"
        with _found(workshop.store, flake, scratch) as there:
            found += _of_one(workshop.store, those, system or host.nix_system(), *there)
    return found


def packages(
    workshop: Workshop, asked: FlakeAttribute, system: str | None = None
) -> Mapping[str, str | None]:
    """What a flake has, by name, as `.drv` paths: all of its packages, or the one attribute that is named.

    None: what is no derivation, or cannot be evaluated. Raises TallyError.
    """
    store, system = workshop.store, system or host.nix_system()
    scratch = store.nix.scratch / f"flake-{uuid.uuid4()}"
    with _found(store, asked.flake, scratch) as (here, _, _):
        if asked.attribute:
            (one,) = evaluate_flake(store, here, [asked.attribute], system, asked.flake)
            return {asked.attribute: one.derivation}
        return evaluate_packages(store, here, system, asked.flake)


def _of_one(
    store: ChrootStore,
    asked: Sequence[FlakeAttribute],
    system: str,
    here: Locked,
    revision: Revision | None,
    unversioned: str | None,
) -> list[Wanted]:
    flake = asked[0].flake
    described = evaluate_flake(store, here, [each.attribute for each in asked], system, flake)
    return [
        _wanted(each, one, system, here, revision, unversioned)
        for each, one in zip(asked, described, strict=True)
    ]


def _wanted(
    asked: FlakeAttribute,
    one: Described,
    system: str,
    here: Locked,
    revision: Revision | None,
    unversioned: str | None,
) -> Wanted:
    evaluation: dict[str, Any] = {
        "attribute": asked.attribute or "default",
        "system": system,
        "locked": _told(here.reference),
        "inputs": {
            name: _pinned(name, node["locked"])
            for name, node in sorted(here.lock.get("nodes", {}).items())
            if isinstance(node.get("locked"), dict)
        },
    }
    if asked.output is not None:
        evaluation["output"] = asked.output
    if here.directory:
        evaluation["directory"] = here.directory
    outputs = one.outputs_to_install
    return Wanted(
        asked=asked.word,
        recorded=f"#{asked.attribute or 'default'}" + (f"^{asked.output}" if asked.output else ""),
        derivation=one.derivation,
        definition=of_flake(evaluation),
        output=asked.output or (outputs[0] if outputs else one.output),
        name=one.pname,
        version=one.version,
        summary=one.summary,
        homepage=one.homepage,
        license=licence_of(one.licences),
        cpes=one.cpes,
        position=one.position,
        revision=revision,
        unversioned=unversioned,
        evaluation=evaluation,
        chosen=asked.output,
    )


@contextmanager
def _found(store: ChrootStore, flake: str, scratch: Path) -> Iterator[_Found]:
    """A flake as it is now, to be evaluated while the context lasts. Raises TallyError."""
    if (whole := flakes.whole_folder(flake)) is not None:
        refuse_private_keys(whole)
    if (there := localflake.of(flake)) is None:
        here = flakes.locked(store, flake, flake)
        if not here.is_dirty or here.folder is None:
            yield here, *_revision(here, flake)
            return
        there = LocalFlake(here.folder, here.directory, None)
    if there.commit is not None:
        with there.lent(scratch) as address:
            here = flakes.locked(store, address, flake, lentcommit.ENVIRONMENT)
            localflake.refuse_differing(there.top, there.commit, here.tree, flake)
            yield here, Revision(there.commit, remote(there.top), _file(here), ()), None
        return
    # its bytes as they lie there, and no commit, which differs between versions of Nix
    tree = tree_of(there.top, scratch, tracked=True)
    here = flakes.locked(store, there.copied(tree.folder), flake)
    revision = None if tree.revision is None else replace(tree.revision, recipe=_file(here))
    yield here, revision, tree.unversioned


def _revision(here: Locked, flake: str) -> tuple[Revision | None, str | None]:
    """The commit of a flake that Nix fetched from where it is, and if there is none, why."""
    if here.commit is None:
        return None, f"a flake of the type {here.reference['type']} is of no commit"
    if here.folder is None:
        return Revision(here.commit, _address(here.reference), _file(here), ()), None
    top, _ = head(here.folder)
    localflake.refuse_differing(
        top, here.commit, here.tree, flake, submodules=bool(here.reference.get("submodules"))
    )
    return Revision(here.commit, remote(top), _file(here), ()), None


def _file(here: Locked) -> str:
    return str(Path(here.directory) / "flake.nix")


def _address(reference: Mapping[str, Any]) -> str | None:
    """A repository's address as evidence has it."""
    kind = str(reference["type"])
    if kind in _FORGES:
        place = str(reference.get("host") or _FORGES[kind])
        return address_of(f"https://{place}/{reference['owner']}/{reference['repo']}")
    return address_of(str(reference["url"])) if kind == "git" else None


def _told(reference: Mapping[str, Any]) -> dict[str, Any]:
    """A locked reference without what names a folder of this machine, or a secret in an address."""
    found = dict(sorted(reference.items()))
    url = found.get("url")
    if is_local(found):
        return {name: value for name, value in found.items() if name not in _PLACES}
    if isinstance(url, str) and "@" in urlsplit(url).netloc:
        parts = urlsplit(url)
        found["url"] = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return found


def _pinned(name: str, reference: Mapping[str, Any]) -> dict[str, Any]:
    """An input of a flake.lock. Raises TallyError for one that nothing pins, or that no address can name."""
    told = _told(reference)
    try:
        pinned = nar_sha256(told) is not None or "rev" in told
        if not is_local(told):
            url_of(told)
    except ValueError as error:
        raise TallyError(f"the input {name} of flake.lock: {error}") from error
    if not pinned:
        raise TallyError(
            f"the input {name} of flake.lock is pinned by no digest",
            hint=f"write the lock again with `{flakelock.WRITE}`",
        )
    return told
