"""A builder's public key as in-toto's layouts hold it. Pure.

Types and schemes are securesystemslib's (`SSlibKey`): ECDSA keys as PEM, Ed25519 keys as 32 bytes in
hexadecimal.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from typing import Any

from orchestrator.evidence.canonical import MalformedError, member

_ED25519 = bytes.fromhex("302a300506032b6570032100")
"""What comes before the 32 bytes in the SubjectPublicKeyInfo of every Ed25519 key (RFC 8410, section 4)."""
_BEGIN, _END = "-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----"


def functionary(keyid: str, pem: str) -> dict[str, Any]:
    """A public key (PEM, ECDSA P-256 or Ed25519) as a layout's member."""
    raw = _ed25519(pem)
    if raw is not None:
        return _key(keyid, "ed25519", "ed25519", raw.hex())
    return _key(keyid, "ecdsa", "ecdsa-sha2-nistp256", pem)


def pem_of(keyid: str, key: object, what: str) -> str:
    """The other way round. Raises MalformedError for a key that `functionary` would not have written."""
    public = member(member(key, "keyval", dict, what), "public", str, what)
    pem = public
    if isinstance(key, dict) and key.get("keytype") == "ed25519":
        try:
            raw = bytes.fromhex(public)
        except ValueError:
            raise MalformedError(f"{what} holds a key that is not in hexadecimal: {keyid}") from None
        pem = f"{_BEGIN}\n{b64encode(_ED25519 + raw).decode()}\n{_END}\n"
    if key != functionary(keyid, pem):
        raise MalformedError(f"{what} holds a key of another kind: {keyid}")
    return pem


def _key(keyid: str, keytype: str, scheme: str, public: str) -> dict[str, Any]:
    return {"keyid": keyid, "keytype": keytype, "scheme": scheme, "keyval": {"public": public}}


def _ed25519(pem: str) -> bytes | None:
    """The 32 bytes of an Ed25519 key; None for anything else."""
    text = "".join(line for line in pem.splitlines() if not line.startswith("-----"))
    try:
        der = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return der[len(_ED25519) :] if der.startswith(_ED25519) and len(der) == len(_ED25519) + 32 else None
