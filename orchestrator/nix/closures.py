"""Closures, asked of a store at any address: a folder, a daemon, another host, a binary cache."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from orchestrator.ground.errors import TallyError
from orchestrator.nix import database, entry
from orchestrator.nix.command import Nix, NixFailed
from orchestrator.nix.entry import Entry
from orchestrator.nix.store import chunks

_OF_MACHINE = (None, "auto", "daemon", "local")


def known(nix: Nix, address: str | None, root: Path | None, paths: Iterable[str]) -> Mapping[str, Entry]:
    """Those of `paths` that are valid in the store at `address`; None is this machine's own.

    `root` is the folder that holds its `nix/store`, where that is on this machine: its database is read,
    and Nix is only asked where it cannot be. No path may be a `.drv`, by which Nix 2.8 means the outputs.
    Raises NixFailed.
    """
    asked = list(paths)
    rows = _read(root, asked)
    return _asked(nix, address, root, asked) if rows is None else rows


def closure(nix: Nix, address: str | None, root: Path | None, paths: Iterable[str]) -> Mapping[str, Entry]:
    """`paths` and all that they refer to. A binary cache is asked for narinfos, never for files.

    Raises NixFailed when one is not valid there.
    """
    asked = list(paths)
    rows = _read(root, asked, closure=True)
    if rows is None or any(path not in rows for path in asked):  # Nix has its own words for what is not valid
        return _asked(nix, address, root, asked, "--recursive")
    return rows


def _read(root: Path | None, paths: Collection[str], *, closure: bool = False) -> Mapping[str, Entry] | None:
    rows = None if root is None else database.rows(root, paths, closure=closure)
    return None if rows is None else {path: _entry(path, row) for path, row in rows.items()}


def _entry(path: str, row: database.Row) -> Entry:
    signers = sorted({each.partition(":")[0] for each in row.signatures})
    return Entry(path, row.nar_hash, row.references, row.deriver, tuple(signers))


def _asked(
    nix: Nix, address: str | None, root: Path | None, paths: Iterable[str], *flags: str
) -> Mapping[str, Entry]:
    """What Nix says. Raises TallyError for a folder that it would make another store of, to look at it."""
    if root is not None and address not in _OF_MACHINE and not database.is_known(root):
        raise TallyError(
            f"the store {root} has no database in the form of today's Nix, and Nix would write one",
            hint=f"let its own Nix make it new: `nix-store --verify --store {root}`; or name another store",
        )
    store = [] if address is None else ["--store", address]
    found: dict[str, Entry] = {}
    for some in chunks(paths):
        try:
            found.update(entry.read(nix.run(["nix", "path-info", "--json", *flags, *store, *some])))
        except NixFailed as error:
            if root is None:
                raise
            hint = f"see `nix-store --verify --store {root}`, or name another store"
            raise NixFailed(error.message, status=error.status, hint=hint, said=error.said) from error
    return found
