"""Derivations and sources from elsewhere into the orchestrator's store: looked at in one of their own first.

A store path of either follows from its content, and whoever hands one over is not believed.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path

from orchestrator.ground.errors import TallyError
from orchestrator.nix.address import checked
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.command import NixFailed
from orchestrator.nix.remote import RemoteStore, nothing_kept
from orchestrator.nix.standing import rule_of
from orchestrator.nix.store import Store
from orchestrator.run.workshop import Workshop

MACHINES_STORE = "auto"
"""What Nix calls the store of the machine that it runs on."""
_STORE = Path("/nix/store")
_FLOATING = ("ca-derivations", "impure-derivations")
"""Features of Nix that are off here; so it does not even take such a derivation."""


def deriver_of(workshop: Workshop, path: str, address: str | None) -> str:
    """The derivation that a store says made a path: the orchestrator's, or the one that is looked at."""
    stores: list[Store] = [workshop.store]
    if address is not None or _STORE.is_dir():
        stores.append(_other(workshop, address))
    held = [store for store in stores if not store.invalid([path])]
    if not held:
        where = "the orchestrator's store"
        if len(stores) > 1:
            where += f" or {_called(address)}"
        raise _nowhere(path, where, workshop.state.holding(path))
    for store in held:
        if (deriver := store.deriver(path)) is not None:
            return deriver
    raise TallyError(
        f"nobody wrote down which derivation made {path}",
        hint="a path that was added or copied has no deriver: evaluate it again, or give a .drv",
    )


def bring(workshop: Workshop, paths: Sequence[str], address: str | None) -> None:
    """Derivations with all below them, from another store. Raises TallyError where it lacks one."""
    store = workshop.store
    lacking = sorted(store.invalid(paths))
    if not lacking:
        return
    if address is None and not _STORE.is_dir():
        raise _nowhere(lacking[0], "the orchestrator's store", workshop.state.holding(lacking[0]))
    other, where = _other(workshop, address), _called(address)
    try:
        absent = sorted(other.invalid(lacking))
    except NixFailed as error:
        raise TallyError(f"{where} does not answer: {error.message}", hint=error.hint) from error
    if absent:
        where = f"the orchestrator's store or {where}"
        raise _nowhere(absent[0], where, workshop.state.holding(absent[0]))
    # what is in that store is somebody's word; a copy of its own is looked at first
    brought = ChrootStore(store.nix, store.nix.scratch / f"brought-{uuid.uuid4()}")
    try:
        brought.copy_from(other, lacking)
    except NixFailed as error:
        if not any(each in error.said for each in _FLOATING):
            raise TallyError(
                f"{lacking[0]} cannot be copied from {where}, or its inputs cannot: {error.message}",
                hint="evaluate it again where that store is, or name another store with --store",
            ) from error
        raise floating(lacking[0], "or what it is built with, is") from error
    _take(store, brought, lacking, where)


def _other(workshop: Workshop, address: str | None) -> RemoteStore:
    """The store at an address, or this machine's. Raises TallyError where there is none."""
    return RemoteStore(
        workshop.store.nix, MACHINES_STORE if address is None else checked(address), nothing_kept
    )


def _called(address: str | None) -> str:
    return "the store of this machine" if address is None else f"the store {address}"


def bring_exported(workshop: Workshop, exported: Path, derivation: str, what: str) -> None:
    """A derivation with all below it, from a file that `nix-store --export` wrote. Raises TallyError.

    `what` is what that file is called.
    """
    store = workshop.store
    brought = ChrootStore(store.nix, store.nix.scratch / f"brought-{uuid.uuid4()}")
    try:
        with exported.open("rb") as stream:
            brought.import_(stream)
    except NixFailed as error:
        raise TallyError(f"{what} cannot be imported: {error.message}", hint=error.hint) from error
    if brought.invalid([derivation]):
        raise TallyError(f"{what} does not hold {derivation}")
    _take(store, brought, [derivation], what)


def _take(store: ChrootStore, brought: ChrootStore, derivations: Sequence[str], where: str) -> None:
    """Raises TallyError where something is not what its path stands for."""
    for path in brought.requisites(derivations):
        if not stands_for(brought, path):
            raise TallyError(
                f"{path} in {where} is not what that path stands for, so nothing was taken from there",
                hint="a store path of a derivation or a source follows from its content: name another store, "
                "or evaluate it again",
            )
    store.copy_from(brought, derivations)


def stands_for(store: ChrootStore, path: str) -> bool:
    """Whether a derivation, or a source of one, has the content that its path was computed from.

    No for all else: what was built stands for what it was built from, and nobody can tell by its content.
    """
    if path.endswith(".drv"):
        try:
            return store.derivation(path, any_digest=True).path == path
        except TallyError:
            return False
    info = store.information([path])[path]
    return info.nar_hash == store.nar_hash(path) and rule_of(store, info) is not None


def _nowhere(path: str, where: str, builders: Path | None) -> TallyError:
    hint = "name the store that has it with --store, or evaluate it again"
    return TallyError(
        f"{path} is not in {where}",
        hint=hint if builders is None else f"a builder of this machine has it: --store {builders}",
    )


def floating(asked: str, what: str) -> TallyError:
    return TallyError(
        f"{asked} {what} content-addressed or impure: only its build tells its store path",
        hint="evaluate it without `__contentAddressed` and `__impure`: what is compared is one path, and a "
        "cache's word for which one it is (a realisation) is not believed",
    )
