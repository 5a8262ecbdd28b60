"""Which options of `tally publish` each kind of destination takes, in one table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from orchestrator.publishing.reference import Reference

_KINDS: Final[Mapping[str, str]] = {
    "Static": "a static folder",
    "Registry": "a registry",
    "ObjectStore": "a bucket",
    "NixCache": "a Nix cache",
}
_TAKEN: Final[Mapping[str, tuple[str, ...]]] = {
    "--location": ("Static", "Registry", "ObjectStore"),
    "--keyless": ("Static", "Registry", "ObjectStore"),
    "--move-tag": ("Registry",),
    "--index": ("Registry",),
    "--retain": ("ObjectStore",),
    "--mode": ("ObjectStore",),
    "--allow-mutable": ("ObjectStore",),
    "--allow-http": ("Registry", "ObjectStore", "NixCache"),
    "--with-runtime": ("NixCache",),
    "--with-believed": ("NixCache",),
    "--nix-key": ("NixCache",),
    "--with-sources": ("Static", "Registry", "ObjectStore", "NixCache"),
}
"""By option, the destinations that take it."""


def refuse_unfit(destination: Reference, given: Mapping[str, bool]) -> None:
    """Raises TallyError for an option that was given, and that the destination does not take."""
    from orchestrator.ground.errors import TallyError

    kind = type(destination).__name__
    for option, there in given.items():
        if there and kind not in _TAKEN[option]:
            fit = " or ".join(_KINDS[each] for each in _TAKEN[option])
            raise TallyError(
                f"{option} is not for {_KINDS[kind]}: it is for {fit}", hint=f"leave {option} out"
            )
    if given["--with-believed"] and not (given["--with-runtime"] or given["--with-sources"]):
        raise TallyError(
            "--with-believed is about the runtime closure, or about what rebuilders need",
            hint="give --with-runtime or --with-sources, too",
        )
