"""Who signed: what a bundle whose signature holds hands to the policy. Values only."""

from __future__ import annotations

import hashlib

from orchestrator.ground.values import dataclass


@dataclass(frozen=True, slots=True, order=True)
class KeySigner:
    """The holder of a key. `fingerprint` is the sha256 of its SubjectPublicKeyInfo, in hexadecimal."""

    fingerprint: str

    @classmethod
    def of(cls, spki: bytes) -> KeySigner:
        return cls(hashlib.sha256(spki).hexdigest())

    def __str__(self) -> str:
        return self.fingerprint


@dataclass(frozen=True, slots=True, order=True)
class IdentitySigner:
    """Whoever an OIDC issuer knew as `subject`, as a certificate that was checked says (Fulcio's OIDs)."""

    issuer: str
    subject: str

    def __str__(self) -> str:
        return f"{self.subject} ({self.issuer})"


Signer = KeySigner | IdentitySigner
