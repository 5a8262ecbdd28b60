"""Sigstore bundles v0.3 around DSSE envelopes, signed with a self-managed key.

Specification: https://docs.sigstore.dev/about/bundle/ and sigstore/protobuf-specs `sigstore_bundle.proto`.
What clients ask for beyond it was found by trying: keyid empty, exactly one signature (cosign 3).
"""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.evidence.canonical import MalformedError, member, only, read, render_document
from orchestrator.evidence.terms import IN_TOTO_PAYLOAD
from orchestrator.signing import dsse
from orchestrator.signing.dsse import Envelope
from orchestrator.signing.keys import SigningKey

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_MEMBERS = frozenset({"mediaType", "verificationMaterial", "dsseEnvelope"})


@dataclass(frozen=True, slots=True)
class Bundle:
    """One envelope and the hint at the key that signed it."""

    envelope: Envelope
    hint: str
    """Base64 of the sha256 of the public key's SubjectPublicKeyInfo."""

    def render(self) -> bytes:
        """The bundle as a file's bytes."""
        return render_document(
            {
                "mediaType": MEDIA_TYPE,
                # there is no log entry, and sigstore-python wants to be told so
                "verificationMaterial": {"publicKey": {"hint": self.hint}, "tlogEntries": []},
                "dsseEnvelope": self.envelope.document(),
            }
        )


def sign(payload: bytes, key: SigningKey) -> Bundle:
    """A bundle around an in-toto statement."""
    return Bundle(dsse.sign(IN_TOTO_PAYLOAD, payload, key, keyid=""), key.public.hint)


def parse(data: bytes, what: str) -> Bundle:
    """Read a bundle. Raises MalformedError; a bundle without a signature is for the caller to see."""
    document = read(data, what)
    only(document, _MEMBERS, what)
    if member(document, "mediaType", str, what) != MEDIA_TYPE:
        raise MalformedError(f"{what} is not a Sigstore bundle v0.3")
    material = member(document, "verificationMaterial", dict, what)
    only(material, frozenset({"publicKey", "tlogEntries"}), f"{what}, verificationMaterial")
    if material.get("tlogEntries", []) != []:
        raise MalformedError(f"{what} has log entries, which this version cannot check")
    key = member(material, "publicKey", dict, what)
    only(key, frozenset({"hint"}), f"{what}, publicKey")
    envelope = dsse.parse(member(document, "dsseEnvelope", dict, what), what)
    if envelope.payload_type != IN_TOTO_PAYLOAD:
        raise MalformedError(f"{what} holds a payload of another type: {envelope.payload_type!r}")
    if len(envelope.signatures) > 1:
        raise MalformedError(f"{what} has {len(envelope.signatures)} signatures where a bundle has one")
    return Bundle(envelope, member(key, "hint", str, what))
