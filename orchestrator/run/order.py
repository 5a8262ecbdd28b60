"""What the user asked for: one run's targets, and who is to sign."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orchestrator.ground.key_address import KeyAddress
from orchestrator.signing.keyless import Wanted


@dataclass(frozen=True, slots=True)
class Order:
    """What the user asked for."""

    targets: tuple[Path, ...]
    out: Path
    key: KeyAddress | None
    sign: bool
    builders: tuple[str, ...] = ()
    allow_dirty: bool = False
    passphrase_fd: int | None = None
    """An open file descriptor that gives the key's passphrase, or the token's PIN."""
    keyless: Wanted | None = None
    """Who is to sign in place of a key."""
    attest_disagreement: bool = False
    """Whether it is signed, as evidence, that builders disagree."""
