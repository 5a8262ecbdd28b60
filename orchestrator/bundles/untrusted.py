"""By whom a document says it is signed that nobody trusted has signed, and who was expected. Pure.

What it says proves nothing: it is told so that a reader can see whose key is missing, or is the wrong one.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from orchestrator.bundles.material import Certificates
from orchestrator.evidence.canonical import MalformedError
from orchestrator.ground.wording import some
from orchestrator.keys.key import PublicKey
from orchestrator.policy.verdict import Code, Reason, Refused

if TYPE_CHECKING:
    from orchestrator.bundles.certificates import Identity

_LONGEST = 80


def by_no_key(what: str, hint: str | None, keyids: Iterable[str], keys: Sequence[PublicKey]) -> Reason:
    """By none of `keys`. `hint` is the bundle's, `keyids` those of the envelope: none for a bundle."""
    ids = sorted(filter(None, keyids))
    if hint:
        named, known = key_called(hint), [f"sha256:{key.fingerprint}" for key in keys]
    elif ids:
        named, known = listed(map(_short, ids)), [key.keyid for key in keys]
    else:
        named, known = "no key", [f"sha256:{key.fingerprint}" for key in keys]
    said = f"it names {named}, and you trust {listed(known) if known else 'no key'}"
    return Reason(Code.UNTRUSTED_SIGNER, f"{what} is not signed by a key that you trust: {said}")


def by_another_key(what: str, hint: str, key: PublicKey) -> Reason:
    """By another key than the one that was asked for."""
    said = f"it names {key_called(hint)}, and you trust sha256:{key.fingerprint}"
    return Reason(Code.UNTRUSTED_SIGNER, f"{what} is not signed by the key that you trust: {said}")


def by_a_certificate(what: str, certificates: Certificates, key: PublicKey) -> Reason:
    """By a certificate, where a key was asked for."""
    said = f"{what} is by a certificate{of_whom(certificates, what)}, not by a key; you trust the key "
    return Reason(Code.UNTRUSTED_SIGNER, f"{said}sha256:{key.fingerprint}")


def by_a_key(what: str, hint: str, who: Identity) -> Reason:
    """By a key, where an identity was asked for."""
    named = f" ({key_called(hint)})" if hint else ""
    said = f"{what} is by a key{named}, not by a certificate; you trust {who.subject} ({who.issuer})"
    return Reason(Code.UNTRUSTED_SIGNER, said)


def of_whom(certificates: Certificates, what: str) -> str:
    """` of SUBJECT (ISSUER)`, as a certificate says; nothing where it cannot be read."""
    from orchestrator.bundles.certificates import claimed

    try:
        return f" of {claimed(certificates, what)}"
    except (MalformedError, Refused):
        return ""


def key_called(hint: str) -> str:
    """A key by a bundle's hint, as this program calls keys; a stranger's hint as it is.

    Sigstore's clients hint with the base64 of the sha256 of the SubjectPublicKeyInfo.
    """
    try:
        digest = base64.b64decode(hint, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    return f"sha256:{digest.hex()}" if len(digest) == 32 else _short(hint)


def listed(names: Iterable[str]) -> str:
    """Several as a sentence has them: a policy may name many."""
    return some(list(names), 3)


def _short(text: str) -> str:
    return repr(text if len(text) <= _LONGEST else text[:_LONGEST] + "…")
