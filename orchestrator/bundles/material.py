"""What a bundle of any kind says of its signer: a hint at a key, or certificates. Pure."""

from __future__ import annotations

from orchestrator.ground.values import dataclass

MOST_TIMESTAMPS = 32
"""Timestamps and certificates: each costs a signature to check."""


@dataclass(frozen=True, slots=True)
class KeyHint:
    """The signer has a key of which only a hint is in the bundle. A hint proves nothing."""

    hint: str


@dataclass(frozen=True, slots=True)
class Certificates:
    """The signer's certificate in DER, and those that came with it."""

    leaf: bytes
    others: tuple[bytes, ...] = ()
