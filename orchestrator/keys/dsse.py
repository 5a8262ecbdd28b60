"""DSSE envelopes: exact bytes, their type, and signatures over both.

Specification: https://github.com/secure-systems-lab/dsse/blob/v1.0.2/protocol.md and envelope.md.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from orchestrator.evidence.canonical import (
    MalformedError,
    decoded,
    encoded,
    hollowed,
    in_one_form,
    member,
    only,
    read_envelope,
    render,
)
from orchestrator.ground.values import dataclass, field, replace
from orchestrator.keys.key import PublicKey

if TYPE_CHECKING:  # who verifies needs no signer
    from orchestrator.keys.signers import Signer

LONGEST_TYPE: Final = 1000
"""Characters; a media type has at most 127 on each side (RFC 6838, section 4.2), and some are addresses."""
_BEFORE: Final = b'{"payload":"'
"""How an envelope in the one compact form begins."""
_MEMBERS = frozenset({"payload", "payloadType", "signatures"})
_SIGNATURE_MEMBERS = frozenset({"keyid", "sig"})


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature, and the unauthenticated hint at whose it is (protocol.md, "keyid")."""

    keyid: str
    sig: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """A payload, as the exact bytes that were signed, with its signatures."""

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]
    _digests: dict[str, bytes] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def signed_bytes(self) -> bytes:
        return pae(self.payload_type, self.payload)

    def digest(self, algorithm: str) -> bytes:
        """Of the bytes that are signed, by `hashlib`'s name; computed once for signature and log entry."""
        if (found := self._digests.get(algorithm)) is None:
            self._digests[algorithm] = found = hashlib.new(algorithm, self.signed_bytes).digest()
        return found

    def document(self) -> dict[str, Any]:
        """The envelope's JSON form."""
        return {
            "payload": encoded(self.payload),
            "payloadType": self.payload_type,
            "signatures": [{"keyid": each.keyid, "sig": encoded(each.sig)} for each in self.signatures],
        }


def pae(payload_type: str, payload: bytes) -> bytes:
    """The pre-authentication encoding: what is signed (protocol.md, "Signature Definition")."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign(payload_type: str, payload: bytes, key: Signer, *, keyid: str) -> Envelope:
    """An envelope with one signature. Raises TallyError where the key cannot be used."""
    return Envelope(payload_type, payload, (Signature(keyid, key.sign(pae(payload_type, payload))),))


def signed_by(envelope: Envelope, key: PublicKey) -> bool:
    """Whether some signature over exactly these bytes is the key's."""
    if (algorithm := key.kind.hash) is None:
        return any(key.verifies(each.sig, envelope.signed_bytes) for each in envelope.signatures)
    return any(key.verifies_digest(each.sig, envelope.digest(algorithm)) for each in envelope.signatures)


def read(data: bytes, what: str, *, ours: bool = False) -> Envelope:
    """Read a file with an envelope. Raises MalformedError; with `ours` for any but the one compact form."""
    hollow, payload = hollowed(data, _BEFORE)
    envelope = parse(read_envelope(hollow, what), what, payload)
    if ours:
        in_one_form(hollow, lambda: render(replace(envelope, payload=b"").document()), what)
    return envelope


def parse(document: object, what: str, payload: bytes | None = None) -> Envelope:
    """Read an envelope's JSON form. Raises MalformedError, for unknown members too.

    `payload` in base64 is taken in place of what stands there, if it is not None.
    """
    only(document, _MEMBERS, what)
    signatures = []
    for each in member(document, "signatures", list, what):
        only(each, _SIGNATURE_MEMBERS, f"{what}, signature")
        keyid = member(each, "keyid", str, what) if "keyid" in each else ""
        signatures.append(Signature(keyid, decoded(member(each, "sig", str, what), what)))
    written = member(document, "payload", str, what)
    payload_type = member(document, "payloadType", str, what)
    if len(payload_type) > LONGEST_TYPE:
        raise MalformedError(f"{what} has a payload type of more than {LONGEST_TYPE} characters")
    return Envelope(
        payload_type=payload_type,
        payload=decoded(written if payload is None else payload, what),
        signatures=tuple(signatures),
    )
