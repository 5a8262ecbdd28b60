"""The two forms of public keys that releases are signed with, without `cryptography`'s readers of all forms.

Those import what OpenSSH's keys and every cipher need: 15 ms. A SubjectPublicKeyInfo of P-256 with its point
uncompressed (RFC 5480, section 2), or of Ed25519 (RFC 8410, section 4), has one form in DER: these bytes,
then the key. Whatever is written otherwise is left to `cryptography`.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from orchestrator.keys.kinds import Key

_P256: Final = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
_ED25519: Final = bytes.fromhex("302a300506032b6570032100")
_P256_SIZE: Final = 91
_ED25519_SIZE: Final = 44
_PEM: Final = re.compile(
    rb"-----BEGIN PUBLIC KEY-----\n([A-Za-z0-9+/=\n]{1,200})\n-----END PUBLIC KEY-----\n?"
)
_LINE: Final = 64


def is_p256(der: bytes) -> bool:
    """Whether this is such a key of P-256, if its point is on the curve."""
    return len(der) == _P256_SIZE and der.startswith(_P256)


def is_ed25519(der: bytes) -> bool:
    return len(der) == _ED25519_SIZE and der.startswith(_ED25519)


def of_pem(pem: bytes) -> bytes | None:
    """The DER of one of these two; None: it is something else, or no key."""
    found = _PEM.fullmatch(pem)
    if found is None:
        return None
    try:
        der = b64decode(found[1].replace(b"\n", b""), validate=True)
    except ValueError:
        return None
    return der if (is_p256(der) or is_ed25519(der)) and to_pem(der) == found[0].rstrip() + b"\n" else None


def to_pem(der: bytes) -> bytes:
    """The same as text (RFC 7468, section 13), as OpenSSL writes it."""
    text = b64encode(der)
    lines = b"\n".join(text[at : at + _LINE] for at in range(0, len(text), _LINE))
    return b"-----BEGIN PUBLIC KEY-----\n" + lines + b"\n-----END PUBLIC KEY-----\n"


def key(der: bytes) -> Key | None:
    """The key; None: it is of another form. Raises ValueError where its point is not on the curve."""
    if is_p256(der):
        from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey

        return EllipticCurvePublicKey.from_encoded_point(SECP256R1(), der[len(_P256) - 1 :])
    if is_ed25519(der):
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        return Ed25519PublicKey.from_public_bytes(der[len(_ED25519) :])
    return None
