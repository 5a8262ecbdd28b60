"""What a log entry says: it must be about exactly this signature, by this key, over these bytes. Pure.

The bodies are Rekor v1's (`hashedrekord` 0.0.1, `dsse` 0.0.1, `intoto` 0.0.2: pkg/types/*/…_schema.json of
sigstore/rekor) and Rekor v2's (`hashedrekord` and `dsse` 0.0.2: api/proto/rekor/v2/entry.proto of
sigstore/rekor-tiles). What a body says and does not follow from the bundle is refused, but for one thing: the
hash of the envelope's JSON in `dsse` 0.0.1 and `intoto` 0.0.2, which no bundle preserves.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.evidence.canonical import MalformedError, read, render
from orchestrator.ground.errors import TallyError
from orchestrator.ground.values import dataclass
from orchestrator.keys.dsse import Envelope
from orchestrator.log.entry import KIND, VERSION, LogEntry, Verifier, hashedrekord

_HEX = re.compile(r"[0-9a-f]{64}")
_PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----\s+([A-Za-z0-9+/=\s]+)-----END \1-----\s*")


class UnjudgedError(TallyError):
    """A kind of entry of which nothing is known here: neither a yes nor a no."""


@dataclass(frozen=True, slots=True)
class Logged:
    """What the entry has to be about."""

    signature: bytes
    certificate: bytes | None
    """The signer's certificate in DER, if there is one."""
    spki: bytes
    details: str
    """The key's `PublicKeyDetails`."""
    hash: str | None
    """How the key hashes what it signs (`hashlib`'s name); None when it does not."""
    envelope: Envelope | None
    digest: bytes | None
    """By `hash`: of the artifact, or of the envelope's pre-authentication encoding; None when not known."""


def check(entry: LogEntry, logged: Logged, what: str) -> None:
    """Raises MalformedError when the entry is about something else, however little else.

    UnjudgedError for an entry of a kind that is not judged here.
    """
    kind = (entry.kind, entry.version)
    if kind == (KIND, VERSION):
        # Go's clients make this leaf anew from the bundle, in canonical form, and look at no other
        if entry.body != _hashedrekord_2(logged):
            raise MalformedError(f"{what} is about another signature, key or digest, or in another form")
        return
    build = _BODIES.get(kind)
    document = read(entry.body, f"the body of {what}")
    if not isinstance(document, dict) or (document.get("kind"), document.get("apiVersion")) != kind:
        raise MalformedError(f"{what} says that it is a {entry.kind} {entry.version}, and its body is none")
    if build is None:
        raise UnjudgedError(
            f"{what} is a {entry.kind} {entry.version}, a kind that is not judged here",
            hint="judge it with a client of that kind of entry; it was neither accepted nor refused",
        )
    try:
        expected = build(logged, document)
    except (KeyError, IndexError, TypeError, AttributeError):
        raise MalformedError(f"the body of {what} is not that of a {entry.kind} {entry.version}") from None
    if document != {"kind": entry.kind, "apiVersion": entry.version, "spec": expected}:
        raise MalformedError(f"{what} is about another signature, key or digest")
    # Go's clients make a v2 leaf anew from the bundle, in canonical form (RFC 8785), and look at no other
    if "V002" in next(iter(expected)) and entry.body != render(document):
        raise MalformedError(f"the body of {what} is not in canonical form")


def _hashedrekord_1(logged: Logged, document: Mapping[str, Any]) -> dict[str, Any]:
    if logged.envelope is not None or logged.digest is None:
        raise MalformedError("a hashedrekord 0.0.1 is about a signed artifact, not about an envelope")
    said = document["spec"]["signature"]["publicKey"]["content"]
    return {
        "data": {"hash": {"algorithm": logged.hash, "value": logged.digest.hex()}},
        "signature": {
            "content": _text(logged.signature),
            "publicKey": {"content": _same_pem(said, logged)},
        },
    }


def _dsse_1(logged: Logged, document: Mapping[str, Any]) -> dict[str, Any]:
    spec = document["spec"]
    return {
        "envelopeHash": _any_sha256(spec["envelopeHash"]),
        "payloadHash": _sha256(_envelope(logged).payload),
        "signatures": [
            {
                "signature": _text(logged.signature),
                "verifier": _same_pem(spec["signatures"][0]["verifier"], logged),
            }
        ],
    }


def _intoto_2(logged: Logged, document: Mapping[str, Any]) -> dict[str, Any]:
    content = document["spec"]["content"]
    said = content["envelope"]["signatures"][0]
    envelope = _envelope(logged)
    signature = {
        "publicKey": _same_pem(said["publicKey"], logged),
        "sig": _text(_text(logged.signature).encode()),
    }
    if "keyid" in said:
        signature["keyid"] = envelope.signatures[0].keyid
    expected: dict[str, Any] = {"payloadType": envelope.payload_type, "signatures": [signature]}
    if "payload" in content["envelope"]:  # some clients leave it in, and Rekor keeps what it is sent
        expected["payload"] = _same_payload(content["envelope"]["payload"], envelope.payload)
    return {
        "content": {
            "envelope": expected,
            "hash": _any_sha256(content["hash"]),
            "payloadHash": _sha256(envelope.payload),
        }
    }


def _hashedrekord_2(logged: Logged) -> bytes:
    if logged.hash is None or logged.digest is None:
        raise MalformedError("a hashedrekord is about a digest, and this key signs none")
    return hashedrekord(logged.hash, logged.digest, logged.signature, _verifier(logged))


def _dsse_2(logged: Logged, document: Mapping[str, Any]) -> dict[str, Any]:
    payload = hashlib.sha256(_envelope(logged).payload).digest()
    return {
        "dsseV002": {
            "payloadHash": {"algorithm": "SHA2_256", "digest": _text(payload)},
            "signatures": [{"content": _text(logged.signature), "verifier": _verifier(logged).document()}],
        }
    }


_BODIES: Mapping[tuple[str, str], Callable[[Logged, Mapping[str, Any]], dict[str, Any]]] = {
    ("hashedrekord", "0.0.1"): _hashedrekord_1,
    ("dsse", "0.0.1"): _dsse_1,
    ("intoto", "0.0.2"): _intoto_2,
    ("dsse", "0.0.2"): _dsse_2,
}


def _envelope(logged: Logged) -> Envelope:
    if logged.envelope is None:
        raise MalformedError("the log entry is about an envelope, and the bundle has none")
    return logged.envelope


def _verifier(logged: Logged) -> Verifier:
    if logged.certificate is not None:
        return Verifier(logged.certificate, logged.details, certificate=True)
    return Verifier(logged.spki, logged.details)


def _sha256(data: bytes) -> dict[str, str]:
    return {"algorithm": "sha256", "value": hashlib.sha256(data).hexdigest()}


def _any_sha256(said: Mapping[str, Any]) -> dict[str, Any]:
    """Of what the bundle does not preserve: only its form is checked."""
    if not isinstance(said["value"], str) or not _HEX.fullmatch(said["value"]):
        raise KeyError("value")
    return {"algorithm": "sha256", "value": said["value"]}


def _same_payload(said: object, payload: bytes) -> str:
    """The same text, when it is the payload in base64, once or as signatures are, twice."""
    once = _text(payload)
    return str(said) if said in (once, _text(once.encode())) else once


def _same_pem(said: object, logged: Logged) -> str:
    """The same text, when it is the signer's certificate or key in PEM; else one that is not the same."""
    wanted, label = (logged.certificate, "CERTIFICATE") if logged.certificate else (logged.spki, "PUBLIC KEY")
    try:
        match = _PEM.fullmatch(b64decode(str(said), validate=True).decode("ascii"))
        if match and match[1] == label and b64decode("".join(match[2].split()), validate=True) == wanted:
            return str(said)
    except ValueError:
        pass
    return ""


def _text(data: bytes) -> str:
    return b64encode(data).decode("ascii")
