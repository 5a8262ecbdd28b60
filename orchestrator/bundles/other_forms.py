"""What is a bundle in all but its form, put into that form, member for member. Pure; nothing is believed.

Specifications: PEP 740 (https://packaging.python.org/specifications/index-hosted-attestations/), and cosign's
`cosign.LocalSignedPayload`, which it wrote before Sigstore had bundles.
"""

from __future__ import annotations

import re
from base64 import b64decode
from typing import Any, Final

from orchestrator.evidence.canonical import (
    ENVELOPE_MARKS,
    MalformedError,
    encoded,
    member,
    read,
    read_envelope,
)
from orchestrator.evidence.terms import IN_TOTO_PAYLOAD
from orchestrator.ground.errors import TallyError
from orchestrator.ground.plainly import why

_V01 = "application/vnd.dev.sigstore.bundle+json;version=0.1"
V03: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
_PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----\s+([A-Za-z0-9+/=\s]+)-----END \1-----\s*")


def pep740(one: dict[str, Any], what: str) -> dict[str, Any]:
    """PEP 740, "Attestation objects"; its envelope is DSSE's for an in-toto statement."""
    if one["version"] != 1:
        version = repr(one["version"])[:80]
        raise TallyError(
            f"{what} is an attestation of PEP 740 in a version that is not known: {version}",
            hint="get it in version 1, or a later tally",
        )
    envelope = member(one, "envelope", dict, what)
    material = member(one, "verification_material", dict, what)
    return {
        "mediaType": V03,
        "verificationMaterial": {
            "certificate": {"rawBytes": member(material, "certificate", str, what)},
            "tlogEntries": member(material, "transparency_entries", list, what),
        },
        "dsseEnvelope": {
            "payload": member(envelope, "statement", str, what),
            "payloadType": IN_TOTO_PAYLOAD,
            "signatures": [{"sig": member(envelope, "signature", str, what)}],
        },
    }


def cosign(document: dict[str, Any], what: str) -> dict[str, Any]:
    """What `cosign sign-blob --bundle` and `attest-blob --bundle` wrote before Sigstore's own form."""
    rekor = document.get("rekorBundle")
    if not isinstance(rekor, dict):
        raise TallyError(
            f"{what} is of an old cosign, and has no log entry that says when it was signed",
            hint="judge it with `cosign verify-blob --insecure-ignore-tlog --signature`",
        )
    payload = member(rekor, "Payload", dict, what)
    body = member(payload, "body", str, what)
    try:
        inner = read(b64decode(body, validate=True), f"{what}, the body of its log entry", ENVELOPE_MARKS)
        log_id = bytes.fromhex(member(payload, "logID", str, what))
        said = member(document, "base64Signature", str, what)
        signed = b64decode(said, validate=True)
    except ValueError as error:
        raise MalformedError(f"{what} is of an old cosign, and cannot be read: {why(error)}") from None
    entry = {
        "logIndex": payload.get("logIndex"),
        "logId": {"keyId": encoded(log_id)},
        "kindVersion": {
            "kind": member(inner, "kind", str, what),
            "version": member(inner, "apiVersion", str, what),
        },
        "integratedTime": payload.get("integratedTime"),
        "inclusionPromise": {"signedEntryTimestamp": member(rekor, "SignedEntryTimestamp", str, what)},
        "canonicalizedBody": body,
    }
    content: dict[str, Any] = {"messageSignature": {"messageDigest": _digest(inner), "signature": said}}
    if signed.lstrip().startswith(b"{"):  # of attest-blob: an envelope, whose signature is inside
        content = {"dsseEnvelope": read_envelope(signed, f"{what}, its envelope,")}
    material = {**_signer(document.get("cert"), what), "tlogEntries": [entry]}
    return {"mediaType": _V01, "verificationMaterial": material, **content}


def _digest(body: dict[str, Any]) -> dict[str, str]:
    """Which file it is about, as its log entry has it: the bundle says nothing of that."""
    match body:
        case {"spec": {"data": {"hash": {"algorithm": str(name), "value": str(value)}}}}:
            with_number = name.upper().replace("SHA", "SHA2_")
            try:
                return {"algorithm": with_number, "digest": encoded(bytes.fromhex(value))}
            except ValueError:
                return {}
        case _:
            return {}


def _signer(cert: object, what: str) -> dict[str, Any]:
    """The certificate, or a hint at a key, of `cert`: PEM in base64, or as it is."""
    text = cert if isinstance(cert, str) else ""
    if text and not text.lstrip().startswith("-----"):
        try:
            text = b64decode(text, validate=True).decode("ascii")
        except ValueError as error:
            raise MalformedError(f"{what} has a certificate that is none: {why(error)}") from None
    pem = _PEM.fullmatch(text)
    if pem is None or pem[1] != "CERTIFICATE":
        return {"publicKey": {}}
    return {"x509CertificateChain": {"certificates": [{"rawBytes": "".join(pem[2].split())}]}}
