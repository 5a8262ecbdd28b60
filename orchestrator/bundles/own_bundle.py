"""Sigstore bundles v0.3 around DSSE envelopes, in the one form that releases have.

Specification: https://docs.sigstore.dev/about/bundle/ and sigstore/protobuf-specs `sigstore_bundle.proto`.
What clients ask for beyond it was found by trying: keyid empty, exactly one signature (cosign 3).
"""

from __future__ import annotations

from typing import Any, Final

from orchestrator.bundles.material import MOST_TIMESTAMPS, Certificates, KeyHint
from orchestrator.evidence.canonical import (
    MalformedError,
    decoded,
    encoded,
    hollowed,
    in_one_form,
    member,
    only,
    read_envelope,
    render_document,
)
from orchestrator.evidence.terms import IN_TOTO_PAYLOAD
from orchestrator.ground.values import dataclass, replace
from orchestrator.ground.wording import counted
from orchestrator.keys import dsse
from orchestrator.keys.dsse import Envelope
from orchestrator.keys.key import PublicKey
from orchestrator.log import entry as log_entry
from orchestrator.log.entry import LogEntry, Signed, Verifier

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_BEFORE: Final = b'{\n  "dsseEnvelope": {\n    "payload": "'
"""How a bundle in the one form begins."""
_MEMBERS = frozenset({"mediaType", "verificationMaterial", "dsseEnvelope"})
_MATERIAL = frozenset({"publicKey", "certificate", "tlogEntries", "timestampVerificationData"})


@dataclass(frozen=True, slots=True)
class Bundle:
    """One envelope, who signed it, where that was logged, and when it was there."""

    envelope: Envelope
    signer: KeyHint | Certificates
    """A key's hint: base64 of the sha256 of its SubjectPublicKeyInfo. Or the signer's one certificate."""
    entries: tuple[LogEntry, ...] = ()
    timestamps: tuple[bytes, ...] = ()
    """RFC 3161 responses in DER, over the signature."""

    def signed(self, key: PublicKey) -> Signed:
        """What log entries of it stand for: its one signature, by `key`."""
        return Signed(self.envelope.signed_bytes, self.signature, Verifier(key.spki, key.details))

    @property
    def signature(self) -> bytes:
        """The one signature of a bundle that holds one."""
        (signature,) = self.envelope.signatures
        return signature.sig

    def render(self) -> bytes:
        """The bundle as a file's bytes."""
        material: dict[str, Any] = {
            # where there are none, sigstore-python wants to be told so
            "tlogEntries": [each.document() for each in self.entries],
        }
        match self.signer:
            case KeyHint(hint):
                material["publicKey"] = {"hint": hint}
            case Certificates(leaf):
                material["certificate"] = {"rawBytes": encoded(leaf)}
        if self.timestamps:
            stamps = [{"signedTimestamp": encoded(each)} for each in self.timestamps]
            material["timestampVerificationData"] = {"rfc3161Timestamps": stamps}
        return render_document(
            {
                "mediaType": MEDIA_TYPE,
                "verificationMaterial": material,
                "dsseEnvelope": self.envelope.document(),
            }
        )


def parse(data: bytes, what: str, *, ours: bool = False) -> Bundle:
    """Read a bundle. Raises MalformedError; with `ours` for any that `render` would write otherwise.

    A bundle without a signature is for the caller to see.
    """
    hollow, payload = hollowed(data, _BEFORE)
    bundle = _bundle(read_envelope(hollow, what), what, payload)
    if ours:
        # the payload itself has one form: it was read as base64 that no other text stands for
        in_one_form(
            hollow, lambda: replace(bundle, envelope=replace(bundle.envelope, payload=b"")).render(), what
        )
    return bundle


def _bundle(document: Any, what: str, payload: bytes | None) -> Bundle:
    only(document, _MEMBERS, what)
    if member(document, "mediaType", str, what) != MEDIA_TYPE:
        raise MalformedError(f"{what} is not a Sigstore bundle v0.3")
    place = f"{what}, verificationMaterial,"
    material = member(document, "verificationMaterial", dict, what)
    only(material, _MATERIAL, place)
    entries = log_entry.parse_all(material.get("tlogEntries", []), what)
    if len({(each.log_id, each.body) for each in entries}) != len(entries):
        raise MalformedError(f"{what} has the same log entry twice")  # in two places of one log
    timestamps = _timestamps(material, place) if "timestampVerificationData" in material else ()
    envelope = dsse.parse(member(document, "dsseEnvelope", dict, what), what, payload)
    if envelope.payload_type != IN_TOTO_PAYLOAD:
        raise MalformedError(f"{what} holds a payload of another type: {envelope.payload_type!r}")
    if len(envelope.signatures) > 1:
        raise MalformedError(
            f"{what} has {counted(len(envelope.signatures), 'signature')} where a bundle has one"
        )
    return Bundle(envelope, _signer(material, what), entries, timestamps)


def _signer(material: dict[str, Any], what: str) -> KeyHint | Certificates:
    if "certificate" not in material:
        key = member(material, "publicKey", dict, what)
        only(key, frozenset({"hint"}), f"{what}, publicKey,")
        return KeyHint(member(key, "hint", str, what))
    if "publicKey" in material:
        raise MalformedError(f"{what} has a key and a certificate, where it has one")
    certificate = member(material, "certificate", dict, what)
    only(certificate, frozenset({"rawBytes"}), f"{what}, certificate,")
    return Certificates(decoded(member(certificate, "rawBytes", str, what), f"{what}, certificate,"))


def _timestamps(material: dict[str, Any], what: str) -> tuple[bytes, ...]:
    data = member(material, "timestampVerificationData", dict, what)
    only(data, frozenset({"rfc3161Timestamps"}), f"{what} timestampVerificationData,")
    found = []
    for each in member(data, "rfc3161Timestamps", list, what):
        only(each, frozenset({"signedTimestamp"}), what)
        found.append(decoded(member(each, "signedTimestamp", str, what), what))
    if not all(found) or not 0 < len(found) <= MOST_TIMESTAMPS:
        raise MalformedError(f"{what} has {counted(len(found), 'timestamp')}, or an empty one")
    if len(set(found)) != len(found):
        raise MalformedError(f"{what} has the same timestamp twice")
    return tuple(found)
