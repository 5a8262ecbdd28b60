"""What the user asked for: one run's targets, and who is to sign."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.caches.choosing import ALL, Reach
from orchestrator.ground.key_address import KeyAddress
from orchestrator.recipe.recipe import ArtifactPart
from orchestrator.run.asked import Asked
from orchestrator.signing.keyless import Wanted

NAR = ArtifactPart(format="nar")
RELEASES = Path("releases")
"""Where releases go when nobody says otherwise."""


@dataclass(frozen=True, slots=True)
class How:
    """How targets without a recipe are evaluated, and where they are looked for."""

    strings: Mapping[str, str] = field(default_factory=dict)
    """`--argstr`: what functions of a file are called with."""
    expressions: Mapping[str, str] = field(default_factory=dict)
    """`--arg`: the same, in Nix's language."""
    search: Mapping[str, Path] = field(default_factory=dict)
    """`-I`: what `<NAME>` means in a file."""
    artifact: ArtifactPart = NAR
    """`--artifact`: what is made of the default output."""
    store: str | None = None
    """`--store`: where derivations are that the orchestrator's store lacks; None: this machine's store."""
    system: str | None = None
    """`--system`: what targets are built for; None: what this machine is."""
    out: Path = RELEASES
    """`--out`: what a repository has there and does not track is no part of what is evaluated."""


@dataclass(frozen=True, slots=True)
class Order:
    """What the user asked for."""

    targets: tuple[Asked, ...]
    out: Path
    key: KeyAddress | None
    sign: bool
    how: How = How()
    builders: tuple[str, ...] = ()
    allow_dirty: bool = False
    passphrase_fd: int | None = None
    """An open file descriptor that gives the key's passphrase, or the token's PIN."""
    keyless: Wanted | None = None
    """Who is to sign in place of a key."""
    reach: Reach = ALL
    """How far down inputs are rebuilt where they may be believed."""
    depth: int = 0
    """So many levels of inputs are agreements of their own; `ALL_THE_WAY`: all, and none is believed."""
    again: bool = False
    """Whether inputs are built again that the ledger knows as agreed."""
    repeat: int = 0
    """How often every builder builds all of it once more."""
    attest_disagreement: bool = False
    """Whether it is signed, as evidence, that builders disagree."""
    oldest: int | None = None
    """How many of the targets this run takes at most: never tried ones, then the longest ago; None: all."""
    keep_failed: bool = False
    """Whether the folder of a build that fails is kept."""
    evidence: tuple[Path, ...] = ()
    """Files with what others signed of their builds, for `[closure]`."""
    diagnose: bool = False
    """Whether it is looked for why builders disagree."""
