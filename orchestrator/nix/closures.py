"""Closures, asked of a store at any address: a folder, a daemon, another host, a binary cache."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from orchestrator.nix import entry
from orchestrator.nix.command import Nix
from orchestrator.nix.entry import Entry
from orchestrator.nix.store import chunks


def known(nix: Nix, address: str | None, paths: Iterable[str]) -> Mapping[str, Entry]:
    """Those of `paths` that are valid in the store at `address`; None is this machine's own.

    None of them may be a `.drv`, by which Nix 2.8 means the outputs. Raises NixFailed.
    """
    return _asked(nix, address, paths)


def closure(nix: Nix, address: str | None, paths: Iterable[str]) -> Mapping[str, Entry]:
    """`paths` and all that they refer to. A binary cache is asked for narinfos, never for files.

    Raises NixFailed when one is not valid there.
    """
    return _asked(nix, address, paths, "--recursive")


def _asked(nix: Nix, address: str | None, paths: Iterable[str], *flags: str) -> Mapping[str, Entry]:
    store = [] if address is None else ["--store", address]
    found: dict[str, Entry] = {}
    for some in chunks(paths):
        found.update(entry.read(nix.run(["nix", "path-info", "--json", *flags, *store, *some])))
    return found
