"""What signs a release: a key in a file, in a token, or in a cloud's key management.

Files are opened by `cryptography` alone, tokens and clouds by securesystemslib's signers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from orchestrator.ground.errors import TallyError
from orchestrator.keys import kinds
from orchestrator.keys.key import PublicKey
from orchestrator.keys.kinds import OURS

if TYPE_CHECKING:
    from orchestrator.keys.passphrase import Locked

Ask = Callable[["Locked"], bytes]
"""Gives what opens a file or a token. Raises TallyError where nobody knows."""


class Signer(Protocol):
    """What can sign a release."""

    @property
    def public(self) -> PublicKey:
        """The key that its signatures are checked with."""

    def sign(self, data: bytes) -> bytes:
        """A signature over `data` in the one form that we write: DER for ECDSA, 64 bytes for Ed25519.

        Raises TallyError where the key cannot be used (any more).
        """


@dataclass(frozen=True)
class RemoteKey:
    """A key that is elsewhere. What comes back is a signature only if it holds."""

    public: PublicKey
    where: str
    ask: Callable[[bytes], bytes] = field(repr=False)
    """Gives a signature, in whatever form holds. Raises TallyError."""

    def sign(self, data: bytes) -> bytes:
        signature = self.ask(data)
        if not self.public.verifies(signature, data):
            raise TallyError(
                f"what {self.where} gave is no signature by its public key",
                hint="a token's key pair has one id for both halves; a cloud is to sign digests as they are",
            )
        return kinds.one_form(self.public.kind, signature)


def public_key(keytype: str, scheme: str, public: str, where: str) -> PublicKey:
    """securesystemslib's public key as ours. Raises TallyError for a kind that no release is signed with."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    if (keytype, scheme) == ("ed25519", "ed25519"):
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
        return PublicKey(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    if scheme != "ecdsa-sha2-nistp256":
        raise unwanted(where, scheme)
    return PublicKey.from_pem(public.encode(), where, OURS)


def unwanted(where: str, kind: str) -> TallyError:
    """The error for a key of a kind that releases are not signed with."""
    return TallyError(
        f"the key in {where} is of another kind: {kind}",
        hint="make another: releases are signed with ECDSA P-256; files and Vault may have Ed25519, too",
    )
