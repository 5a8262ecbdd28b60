"""Nix's signatures on store paths: ed25519 over a path's fingerprint, by a key that a host's Nix holds.

Nix's manual, "Serving a Nix store via HTTP" and `nix store sign`; the fingerprint is that of `ValidPathInfo`:
`1;PATH;sha256:BASE32;SIZE;REFERENCES`, with the path itself among the references where it refers to itself.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from orchestrator.ground.digest import NarHash
from orchestrator.ground.values import dataclass, field
from orchestrator.nix.storepath import base32

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_KEY_BYTES = 32
_NAME = re.compile(r"[^\s:]{1,200}")
_SECRET_BYTES = 64
"""Of a secret key as Nix writes it: the public half is in it."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A Nix signing key's public half."""

    name: str
    data: bytes

    @classmethod
    def parse(cls, text: str) -> PublicKey:
        """Read `NAME:BASE64`, as in `trusted-public-keys`. Raises ValueError; a secret key is never in it."""
        name, _, encoded = text.partition(":")
        try:
            data = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError) as error:
            raise ValueError(
                f"{text!r} is not NAME:BASE64, as nix-store --generate-binary-cache-key writes"
            ) from error
        if name and len(data) == _SECRET_BYTES:
            raise ValueError(
                f"that of {name} is a secret key: the public one is meant, and that one is to be renewed"
            )
        if not name or len(data) != _KEY_BYTES:
            raise ValueError(f"{text!r} is not NAME:BASE64 of an ed25519 key of 32 bytes")
        return cls(name, data)

    @property
    def text(self) -> str:
        """`NAME:BASE64`, as `parse` reads it."""
        return f"{self.name}:{base64.b64encode(self.data).decode()}"

    def verifies(self, signature: str, fingerprint: str) -> bool:
        """Whether `NAME:BASE64` is this key's signature over a fingerprint."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        name, _, encoded = signature.partition(":")
        if name != self.name:
            return False
        try:
            Ed25519PublicKey.from_public_bytes(self.data).verify(
                base64.b64decode(encoded, validate=True), fingerprint.encode()
            )
        except (InvalidSignature, ValueError):
            return False
        return True


def fingerprint(path: str, nar_hash: NarHash, nar_size: int, references: Sequence[str]) -> str:
    """What is signed of a path. `references` are all of them, the path itself too where it is one."""
    digest = base32(bytes.fromhex(nar_hash.hex))
    return f"1;{path};sha256:{digest};{nar_size};{','.join(sorted(references))}"


@dataclass(frozen=True, slots=True)
class SecretKey:
    """A Nix signing key; it never prints itself."""

    name: str
    seed: bytes = field(repr=False)

    @classmethod
    def generate(cls, name: str) -> SecretKey:
        """A new key. What it is called ends with some of its public half: two of one name would be one."""
        made = cls(name, os.urandom(_KEY_BYTES))
        return cls(f"{name}-{made.public.data.hex()[:8]}", made.seed)

    @classmethod
    def parse(cls, text: str) -> SecretKey:
        """Read `NAME:BASE64`, as `nix-store --generate-binary-cache-key` writes it. Raises ValueError."""
        name, _, encoded = text.strip().partition(":")
        try:
            data = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("is not NAME:BASE64") from None
        if not _NAME.fullmatch(name) or len(data) != _SECRET_BYTES:
            raise ValueError("is not NAME:BASE64 of an ed25519 key of 64 bytes")
        found = cls(name, data[:_KEY_BYTES])
        if found.public.data != data[_KEY_BYTES:]:
            raise ValueError("has two halves that do not belong together")
        return found

    @property
    def text(self) -> str:
        """`NAME:BASE64`, as `parse` reads it."""
        return f"{self.name}:{base64.b64encode(self.seed + self.public.data).decode()}"

    @property
    def public(self) -> PublicKey:
        return PublicKey(self.name, self._key.public_key().public_bytes_raw())

    def sign(self, fingerprint: str) -> str:
        """`NAME:BASE64`, over a fingerprint."""
        return f"{self.name}:{base64.b64encode(self._key.sign(fingerprint.encode())).decode()}"

    @property
    def _key(self) -> Ed25519PrivateKey:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(self.seed)
