"""Ways to harm a bundle, each with the codes that a refusal of it may have."""

from __future__ import annotations

import copy
import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from foreign import Document, Instance, Made, Recipe
from rekors import b64


class Inapplicable(Exception):
    """This bundle has nothing of the kind to harm."""


@dataclass(frozen=True)
class Patient:
    """A good bundle, and others to take parts from."""

    recipe: Recipe
    made: Made
    twin: Made
    """By the same key, of the same kind, about another artifact."""
    stranger: Made
    """By another key, of the same kind, about the same artifact."""
    instance: Instance
    other: Instance
    """An instance that nobody trusts."""


Harm = Callable[[Document, Patient], object]
HARMS: dict[str, tuple[Harm, frozenset[str]]] = {}


def harm(name: str, *codes: str) -> Callable[[Harm], Harm]:
    def registered(function: Harm) -> Harm:
        HARMS[name] = (function, frozenset(codes))
        return function

    return registered


def harmed(name: str, patient: Patient) -> bytes:
    """The bundle's bytes after it. Raises Inapplicable."""
    document = copy.deepcopy(patient.made.document)
    found = HARMS[name][0](document, patient)
    if isinstance(found, bytes):
        return found
    if document == patient.made.document:
        raise Inapplicable
    return json.dumps(document).encode()


def applicable(patient: Patient) -> Iterator[tuple[str, bytes]]:
    for name in HARMS:
        try:
            yield name, harmed(name, patient)
        except Inapplicable:
            continue


def material(document: Document) -> Document:
    found: Document = document["verificationMaterial"]
    return found


def entry(document: Document) -> Document:
    entries = material(document)["tlogEntries"]
    if not entries:
        raise Inapplicable
    found: Document = entries[0]
    return found


def part(document: Document, *path: str | int) -> Any:
    found: Any = document
    for name in path:
        try:
            found = found[name]
        except (KeyError, IndexError):
            raise Inapplicable from None
    return found


def flipped(text: str, position: int = -1) -> str:
    """Base64 with one bit of its bytes flipped."""
    data = bytearray(b64decode(text))
    data[position] ^= 1
    return b64(bytes(data))


def _flip(holder: Any, name: str | int, position: int = -1) -> None:
    holder[name] = flipped(holder[name], position)


def _signature(document: Document) -> tuple[Any, str]:
    if "dsseEnvelope" in document:
        return part(document, "dsseEnvelope", "signatures", 0), "sig"
    return document["messageSignature"], "signature"


# what was signed


@harm("another payload", "signature-invalid")
def _(document: Document, patient: Patient) -> None:
    part(document, "dsseEnvelope")["payload"] = part(patient.twin.document, "dsseEnvelope", "payload")


@harm("a payload with a space more", "signature-invalid")
def _(document: Document, patient: Patient) -> None:
    envelope = part(document, "dsseEnvelope")
    envelope["payload"] = b64(b64decode(envelope["payload"]) + b" ")


@harm("another payload type", "signature-invalid")
def _(document: Document, patient: Patient) -> None:
    part(document, "dsseEnvelope")["payloadType"] = "application/json"


@harm("a flipped bit in the signature", "signature-invalid")
def _(document: Document, patient: Patient) -> None:
    _flip(*_signature(document))


@harm("an empty signature", "malformed")
def _(document: Document, patient: Patient) -> None:
    holder, name = _signature(document)
    holder[name] = ""


@harm("a signature of the twin", "signature-invalid")
def _(document: Document, patient: Patient) -> None:
    holder, name = _signature(document)
    theirs, _ = _signature(patient.twin.document)
    holder[name] = theirs[name]


@harm("all of a stranger's", "untrusted-signer", "identity-mismatch")
def _(document: Document, patient: Patient) -> None:
    if patient.recipe.signer == "certificate":
        raise Inapplicable  # the same identity gives another certificate: that is no harm
    document.clear()
    document.update(copy.deepcopy(patient.stranger.document))


@harm("a stranger's under our hint", "signature-invalid")
def _(document: Document, patient: Patient) -> None:
    ours = copy.deepcopy(part(document, "verificationMaterial", "publicKey"))
    document.clear()
    document.update(copy.deepcopy(patient.stranger.document))
    material(document)["publicKey"] = ours


@harm("all of the twin's", "subject-mismatch", "digest-mismatch")
def _(document: Document, patient: Patient) -> None:
    document.clear()
    document.update(copy.deepcopy(patient.twin.document))


@harm("no signature", "unsigned")
def _(document: Document, patient: Patient) -> None:
    part(document, "dsseEnvelope")["signatures"] = []


@harm("two signatures", "malformed")
def _(document: Document, patient: Patient) -> None:
    part(document, "dsseEnvelope")["signatures"] *= 2


@harm("a digest of the twin's artifact", "digest-mismatch")
def _(document: Document, patient: Patient) -> None:
    theirs = part(patient.twin.document, "messageSignature", "messageDigest")
    part(document, "messageSignature")["messageDigest"] = theirs


# the form of the bundle


@harm("both kinds of content", "malformed")
def _(document: Document, patient: Patient) -> None:
    made = patient.instance.make(
        Recipe("message" if "dsseEnvelope" in document else "dsse", entry=None), key=patient.made.key
    )
    document.update(
        {name: made.document[name] for name in ("dsseEnvelope", "messageSignature") if name in made.document}
    )


@harm("neither kind of content", "malformed")
def _(document: Document, patient: Patient) -> None:
    document.pop("dsseEnvelope", None)
    document.pop("messageSignature", None)


@harm("no signer", "malformed")
def _(document: Document, patient: Patient) -> None:
    for name in ("publicKey", "certificate", "x509CertificateChain"):
        material(document).pop(name, None)


@harm("both kinds of signer", "malformed")
def _(document: Document, patient: Patient) -> None:
    others = {"publicKey": {"hint": "x"}, "certificate": {"rawBytes": "AAAA"}}
    material(document).update(
        {name: value for name, value in others.items() if name not in material(document)}
    )


@harm("a version that is not there yet", "malformed")
def _(document: Document, patient: Patient) -> None:
    document["mediaType"] = "application/vnd.dev.sigstore.bundle.v0.4+json"


@harm("no version", "malformed")
def _(document: Document, patient: Patient) -> None:
    del document["mediaType"]


@harm("an unknown member", "malformed")
def _(document: Document, patient: Patient) -> None:
    document["extra"] = 1


@harm("a name twice", "malformed")
def _(document: Document, patient: Patient) -> bytes:
    text = json.dumps(document)
    return text.replace("{", '{"mediaType": "x", ', 1).encode()


@harm("not even JSON", "malformed")
def _(document: Document, patient: Patient) -> bytes:
    return json.dumps(document).encode()[:-1]


# the log entry


@harm("no log entry", "not-in-log")
def _(document: Document, patient: Patient) -> None:
    entry(document)
    material(document)["tlogEntries"] = []


@harm("the twin's log entry", "not-in-log")
def _(document: Document, patient: Patient) -> None:
    entry(document)
    material(document)["tlogEntries"] = [copy.deepcopy(entry(patient.twin.document))]


@harm("a stranger's log entry", "not-in-log")
def _(document: Document, patient: Patient) -> None:
    entry(document)
    material(document)["tlogEntries"] = [copy.deepcopy(entry(patient.stranger.document))]


@harm("one log entry twice", "malformed")
def _(document: Document, patient: Patient) -> None:
    entry(document)
    material(document)["tlogEntries"] *= 2


@harm("the body of the twin's entry", "not-in-log")
def _(document: Document, patient: Patient) -> None:
    entry(document)["canonicalizedBody"] = entry(patient.twin.document)["canonicalizedBody"]


@harm("a body with a space more", "not-in-log", "log-proof-invalid")
def _(document: Document, patient: Patient) -> None:
    found = entry(document)
    found["canonicalizedBody"] = b64(b64decode(found["canonicalizedBody"]).replace(b":", b": ", 1))


@harm("a body with a member more", "not-in-log")
def _(document: Document, patient: Patient) -> None:
    found = entry(document)
    body = json.loads(b64decode(found["canonicalizedBody"]))
    body["spec"]["extra"] = 1
    found["canonicalizedBody"] = b64(json.dumps(body, sort_keys=True, separators=(",", ":")).encode())


@harm("a logged body that is not canonical", "not-in-log", "log-proof-invalid")
def _(document: Document, patient: Patient) -> None:
    if patient.recipe.entry not in ("hashedrekord 0.0.2", "dsse 0.0.2"):
        raise Inapplicable
    body = b64decode(entry(document)["canonicalizedBody"])
    kind, version = patient.recipe.entry.split()
    other = patient.instance.rekor2.of_body(kind, version, body.replace(b":", b": ", 1))
    material(document)["tlogEntries"] = [other]


@harm("another kind of entry", "not-in-log")
def _(document: Document, patient: Patient) -> None:
    entry(document)["kindVersion"] = {"kind": "rekord", "version": "0.0.1"}


@harm("a log that is not trusted", "not-in-log")
def _(document: Document, patient: Patient) -> None:
    kind, _, version = str(patient.recipe.entry).partition(" ")
    found = entry(document)
    spec = json.loads(b64decode(found["canonicalizedBody"]))["spec"]
    log = patient.other.rekor2 if "inclusionPromise" not in found else patient.other.rekor1
    material(document)["tlogEntries"] = [log.entry(kind, version, spec)]


@harm("a log that is not trusted, by a trusted log's name", "log-proof-invalid")
def _(document: Document, patient: Patient) -> None:
    kind, _, version = str(patient.recipe.entry).partition(" ")
    found = entry(document)
    spec = json.loads(b64decode(found["canonicalizedBody"]))["spec"]
    log = patient.other.rekor2 if "inclusionPromise" not in found else patient.other.rekor1
    forged = log.entry(kind, version, spec)
    forged["logId"] = found["logId"]
    material(document)["tlogEntries"] = [forged]


@harm("a flipped bit in the proof", "log-proof-invalid")
def _(document: Document, patient: Patient) -> None:
    _flip(part(entry(document), "inclusionProof", "hashes"), 0)


@harm("a hash less", "log-proof-invalid")
def _(document: Document, patient: Patient) -> None:
    part(entry(document), "inclusionProof", "hashes").pop()


@harm("a hash more", "log-proof-invalid")
def _(document: Document, patient: Patient) -> None:
    hashes = part(entry(document), "inclusionProof", "hashes")
    hashes.append(hashes[0])


@harm("a hash that is too short", "malformed")
def _(document: Document, patient: Patient) -> None:
    part(entry(document), "inclusionProof", "hashes")[0] = "AAAA"


@harm("another place in the tree", "log-proof-invalid")
def _(document: Document, patient: Patient) -> None:
    proof = part(entry(document), "inclusionProof")
    proof["logIndex"] = str(int(proof["logIndex"]) ^ 1)


@harm("another index than the proof's", "log-proof-invalid")
def _(document: Document, patient: Patient) -> None:
    entry(document)["logIndex"] = str(int(entry(document)["logIndex"]) ^ 1)


@harm("a larger tree", "log-proof-invalid")
def _(document: Document, patient: Patient) -> None:
    part(entry(document), "inclusionProof")["treeSize"] = "1000"


@harm("a place outside the tree", "log-proof-invalid", "malformed")
def _(document: Document, patient: Patient) -> None:
    proof = part(entry(document), "inclusionProof")
    proof["logIndex"] = proof["treeSize"]


@harm("another root", "log-proof-invalid")
def _(document: Document, patient: Patient) -> None:
    _flip(part(entry(document), "inclusionProof"), "rootHash")


@harm("the twin's checkpoint", "log-proof-invalid")
def _(document: Document, patient: Patient) -> None:
    theirs = part(entry(patient.twin.document), "inclusionProof", "checkpoint")
    part(entry(document), "inclusionProof")["checkpoint"] = theirs


@harm("a checkpoint of another size", "log-proof-invalid")
def _(document: Document, patient: Patient) -> None:
    checkpoint = part(entry(document), "inclusionProof", "checkpoint")
    size = part(entry(document), "inclusionProof", "treeSize")
    checkpoint["envelope"] = checkpoint["envelope"].replace(f"\n{size}\n", "\n1000\n", 1)


@harm("a checkpoint signed by nobody", "log-proof-invalid")
def _(document: Document, patient: Patient) -> None:
    checkpoint = part(entry(document), "inclusionProof", "checkpoint")
    text, _, signed = checkpoint["envelope"].rpartition(" ")
    checkpoint["envelope"] = f"{text} {flipped(signed.strip())}\n"


@harm("a checkpoint without signatures", "log-proof-invalid")
def _(document: Document, patient: Patient) -> None:
    checkpoint = part(entry(document), "inclusionProof", "checkpoint")
    checkpoint["envelope"] = checkpoint["envelope"].partition("\n\n")[0] + "\n\n"


@harm("no checkpoint", "malformed")
def _(document: Document, patient: Patient) -> None:
    del part(entry(document), "inclusionProof")["checkpoint"]


@harm("no proof", "malformed")
def _(document: Document, patient: Patient) -> None:
    if patient.recipe.version == "0.1":
        raise Inapplicable
    entry(document).pop("inclusionProof", None)


@harm("a promise by nobody", "log-proof-invalid")
def _(document: Document, patient: Patient) -> None:
    _flip(part(entry(document), "inclusionPromise"), "signedEntryTimestamp")


@harm("no promise", "malformed", "timestamp-missing")
def _(document: Document, patient: Patient) -> None:
    if patient.recipe.version != "0.1" and patient.recipe.signer != "certificate":
        raise Inapplicable
    part(entry(document), "inclusionPromise")
    del entry(document)["inclusionPromise"]


@harm("a time that nobody promised", "log-proof-invalid")
def _(document: Document, patient: Patient) -> None:
    part(entry(document), "inclusionPromise")
    entry(document)["integratedTime"] = str(int(entry(document)["integratedTime"]) + 60)


@harm("an index that nobody promised", "log-proof-invalid")
def _(document: Document, patient: Patient) -> None:
    part(entry(document), "inclusionPromise")
    entry(document)["logIndex"] = "7"


# timestamps


def _stamps(document: Document) -> list[Any]:
    found: list[Any] = part(material(document), "timestampVerificationData", "rfc3161Timestamps")
    return found


@harm("a flipped bit in the timestamp's signature", "timestamp-invalid")
def _(document: Document, patient: Patient) -> None:
    _flip(_stamps(document)[0], "signedTimestamp")


@harm("a timestamp of the twin's signature", "timestamp-invalid")
def _(document: Document, patient: Patient) -> None:
    _stamps(document)[0] = _stamps(patient.twin.document)[0]


@harm("a timestamp of the payload", "timestamp-invalid")
def _(document: Document, patient: Patient) -> None:
    data = b64decode(part(document, "dsseEnvelope", "payload"))
    _stamps(document)[0] = {"signedTimestamp": b64(patient.instance.tsa.stamp(data))}


@harm("a timestamp by another authority", "timestamp-invalid")
def _(document: Document, patient: Patient) -> None:
    _stamps(document)[0] = {"signedTimestamp": b64(patient.other.tsa.stamp(patient.made.signature))}


@harm("a timestamp that is none", "timestamp-invalid")
def _(document: Document, patient: Patient) -> None:
    _stamps(document)[0] = {"signedTimestamp": b64(b"what time is it?")}


@harm("one timestamp twice", "malformed")
def _(document: Document, patient: Patient) -> None:
    _stamps(document).append(_stamps(document)[0])


@harm("a good timestamp and one that is none", "timestamp-invalid")
def _(document: Document, patient: Patient) -> None:
    _stamps(document).append({"signedTimestamp": b64(patient.other.tsa.stamp(patient.made.signature))})


@harm("no timestamp where nothing else proves the time", "timestamp-missing")
def _(document: Document, patient: Patient) -> None:
    _stamps(document)
    if patient.recipe.signer != "certificate" or "inclusionPromise" in entry(document):
        raise Inapplicable
    del material(document)["timestampVerificationData"]


# certificates


def _leaf(document: Document) -> Any:
    if "certificate" in material(document):
        return material(document)["certificate"]
    return part(material(document), "x509CertificateChain", "certificates", 0)


@harm(
    "a flipped bit in the certificate", "not-in-log", "malformed", "signature-invalid", "certificate-invalid"
)
def _(document: Document, patient: Patient) -> None:
    _flip(_leaf(document), "rawBytes")


@harm("a stranger's certificate", "signature-invalid")
def _(document: Document, patient: Patient) -> None:
    _leaf(document)["rawBytes"] = _leaf(patient.stranger.document)["rawBytes"]


@harm("a certificate that is none", "malformed")
def _(document: Document, patient: Patient) -> None:
    _leaf(document)["rawBytes"] = b64(b"trust me")


def _issued(**leaf: Any) -> Harm:
    """A bundle that is right in everything but what Fulcio issued."""

    def change(document: Document, patient: Patient) -> None:
        _leaf(document)
        instance = patient.other if leaf.get("ca") == "other" else patient.instance
        more = {name: value for name, value in leaf.items() if name != "ca"}
        made = Instance.make(
            patient.instance, patient.recipe, key=patient.made.key, fulcio=instance.fulcio, **more
        )
        document.clear()
        document.update(made.document)

    return change


def _certificates() -> None:
    import datetime as dt

    from authorities import now
    from cryptography.x509.oid import ExtendedKeyUsageOID

    for name, leaf, code in (
        ("by another authority", {"ca": "other"}, "certificate-invalid"),
        ("for somebody else", {"subject": "https://github.com/mallory/app"}, "identity-mismatch"),
        (
            "for a longer name",
            {"subject": "https://github.com/acme/app/.github/workflows/build.yml@refs/heads/main2"},
            "identity-mismatch",
        ),
        ("vouched for by somebody else", {"issuer": "https://ci.example.com"}, "identity-mismatch"),
        ("without a signed certificate timestamp", {"sct": "none"}, "certificate-invalid"),
        ("with a forged certificate timestamp", {"sct": "forged"}, "certificate-invalid"),
        ("for another purpose", {"purpose": ExtendedKeyUsageOID.SERVER_AUTH}, "certificate-invalid"),
        ("that had expired", {"start": now() - dt.timedelta(days=2)}, "certificate-invalid"),
        ("that was not valid yet", {"start": now() + dt.timedelta(days=2)}, "certificate-invalid"),
    ):
        harm(f"a certificate {name}", code)(_issued(**leaf))


_certificates()

# statements that are signed, logged and stamped, and not what is wanted


def _stated(**changes: Any) -> Harm:
    def change(document: Document, patient: Patient) -> None:
        from dataclasses import replace

        from foreign import statement

        part(document, "dsseEnvelope")
        recipe = replace(
            patient.recipe, payload=statement(**changes.get("statement", {})), **changes.get("recipe", {})
        )
        document.clear()
        document.update(patient.instance.make(recipe, key=patient.made.key).document)

    return change


harm("a statement of another type", "statement-missing")(
    _stated(statement={"predicateType": "https://spdx.dev/Document"})
)
harm("a payload that is no statement", "malformed")(
    _stated(statement={"_type": "https://example.org/Statement"})
)
harm("a signed envelope of another type", "statement-missing")(_stated(recipe={"payload_type": "text/plain"}))
harm("a statement without subjects", "malformed")(_stated(statement={"subject": []}))
harm("a statement about something else", "subject-mismatch")(
    _stated(statement={"subject": [{"name": "artifact", "digest": {"sha256": "00" * 32}}]})
)
harm("a statement about the name alone", "malformed")(_stated(statement={"subject": [{"name": "artifact"}]}))
harm("a statement about a digest of another kind", "subject-mismatch")(
    _stated(statement={"subject": [{"name": "artifact", "digest": {"gitCommit": "00" * 20}}]})
)
