"""Any Sigstore bundle, v0.1 to v0.3, as typed values. Pure; nothing in one is believed yet.

Specification: sigstore/protobuf-specs `sigstore_bundle.proto`, `sigstore_rekor.proto` and
`sigstore_common.proto`; limits and rules between the fields are those of sigstore-go, sigstore-python and
sigstore-js, of which the strictest is followed. Unknown members are refused, as the first two refuse them.
"""

from __future__ import annotations

from typing import Any

from orchestrator.bundles import protobuf
from orchestrator.bundles.material import MOST_TIMESTAMPS, Certificates, KeyHint
from orchestrator.evidence.canonical import MalformedError, decoded, member, only, read_envelope
from orchestrator.ground.values import dataclass
from orchestrator.keys.dsse import LONGEST_TYPE, Envelope, Signature
from orchestrator.log import entry
from orchestrator.log.entry import LogEntry

_VERSIONS = {
    "application/vnd.dev.sigstore.bundle+json;version=0.1": "0.1",
    "application/vnd.dev.sigstore.bundle+json;version=0.2": "0.2",
    "application/vnd.dev.sigstore.bundle+json;version=0.3": "0.3",
    "application/vnd.dev.sigstore.bundle.v0.3+json": "0.3",
}
_TOP = frozenset({"mediaType", "verificationMaterial", "dsseEnvelope", "messageSignature"})
_SIGNERS = frozenset({"publicKey", "certificate", "x509CertificateChain"})
_MATERIAL = _SIGNERS | {"tlogEntries", "timestampVerificationData"}
_OTHERS = (
    "rfc3161Timestamps signedTimestamp rawBytes messageDigest payloadType logIndex logId keyId kindVersion"
    " integratedTime inclusionPromise signedEntryTimestamp inclusionProof rootHash treeSize canonicalizedBody"
)
_SPELLINGS = protobuf.spellings([*_TOP, *_MATERIAL, *_OTHERS.split()])
_HASHES = {"SHA2_256": "sha256", "SHA2_384": "sha384", "SHA2_512": "sha512"}
_HASHES |= dict(zip("123", _HASHES.values(), strict=True))
"""`HashAlgorithm` by name and by number, which JSON may have either of, to the name that `hashlib` has."""


@dataclass(frozen=True, slots=True)
class MessageSignature:
    """A signature over the artifact itself, and the digest that the artifact is said to have."""

    algorithm: str
    """`hashlib`'s name."""
    digest: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class SigstoreBundle:
    """A bundle, read whole."""

    version: str
    content: Envelope | MessageSignature
    signer: KeyHint | Certificates
    entries: tuple[LogEntry, ...]
    timestamps: tuple[bytes, ...]
    """RFC 3161 responses in DER."""


def parse(data: bytes, what: str) -> SigstoreBundle:
    """Read a bundle of any version. Raises MalformedError, but not for a missing signature."""
    return of(read_envelope(data, what), what)


def of(value: object, what: str) -> SigstoreBundle:
    """The same of its JSON. Raises MalformedError."""
    document = protobuf.normal(value, _SPELLINGS, what)
    only(document, _TOP, what)
    media_type = member(document, "mediaType", str, what)
    version = _VERSIONS.get(media_type)
    if version is None:
        raise MalformedError(f"{what} is not a Sigstore bundle v0.1 to v0.3: {media_type!r}")
    material = member(document, "verificationMaterial", dict, what)
    only(material, _MATERIAL, f"{what}, verificationMaterial,")
    return SigstoreBundle(
        version=version,
        content=_content(document, what),
        signer=_signer(material, version, what),
        entries=_entries(material, version, what),
        timestamps=_timestamps(material, what),
    )


def _content(document: object, what: str) -> Envelope | MessageSignature:
    if _one_of(document, ("dsseEnvelope", "messageSignature"), what) == "dsseEnvelope":
        return _envelope(member(document, "dsseEnvelope", dict, what), f"{what}, dsseEnvelope,")
    place = f"{what}, messageSignature,"
    message = member(document, "messageSignature", dict, what)
    only(message, frozenset({"messageDigest", "signature"}), place)
    digest = member(message, "messageDigest", dict, place)
    only(digest, frozenset({"algorithm", "digest"}), place)
    algorithm = _HASHES.get(str(digest.get("algorithm")))
    if algorithm is None:
        raise MalformedError(f"{place} has a digest by an unknown algorithm: {digest.get('algorithm')!r}")
    return MessageSignature(algorithm, _octets(digest, "digest", place), _octets(message, "signature", place))


def _envelope(envelope: dict[str, Any], what: str) -> Envelope:
    only(envelope, frozenset({"payload", "payloadType", "signatures"}), what)
    signatures = []
    for each in member(envelope, "signatures", list, what) if "signatures" in envelope else []:
        only(each, frozenset({"sig", "keyid"}), what)
        keyid = member(each, "keyid", str, what) if "keyid" in each else ""
        signatures.append(Signature(keyid, _octets(each, "sig", what)))
    if len(signatures) > 1:
        raise MalformedError(f"{what} has {len(signatures)} signatures where a bundle has one")
    payload_type = member(envelope, "payloadType", str, what)
    # what is signed is its UTF-8, which half a letter has not
    if not payload_type.isascii() or len(payload_type) > LONGEST_TYPE:
        raise MalformedError(f"{what} has a payload type that is none: {payload_type!r}")
    return Envelope(payload_type, _octets(envelope, "payload", what), tuple(signatures))


def _signer(material: dict[str, Any], version: str, what: str) -> KeyHint | Certificates:
    match _one_of(material, sorted(_SIGNERS), what):
        case "publicKey":
            key = member(material, "publicKey", dict, what)
            only(key, frozenset({"hint"}), f"{what}, publicKey,")
            return KeyHint(member(key, "hint", str, what) if "hint" in key else "")
        case "certificate" if version == "0.3":
            return Certificates(_certificate(member(material, "certificate", dict, what), what))
        case "x509CertificateChain" if version != "0.3":
            chain = member(material, "x509CertificateChain", dict, what)
            only(chain, frozenset({"certificates"}), f"{what}, x509CertificateChain,")
            found = [_certificate(each, what) for each in _list(chain, "certificates", what)]
            if not found:
                raise MalformedError(f"{what} has a chain without certificates")
            return Certificates(found[0], tuple(found[1:]))
        case other:
            raise MalformedError(f"{what} has a {other!r}, which bundles v{version} have not")


def _certificate(value: object, what: str) -> bytes:
    only(value, frozenset({"rawBytes"}), f"{what}, certificate,")
    return _octets(value, "rawBytes", f"{what}, certificate,")


def _entries(material: dict[str, Any], version: str, what: str) -> tuple[LogEntry, ...]:
    values = material.get("tlogEntries", [])
    for each in values if isinstance(values, list) else []:
        if isinstance(each, dict):
            each.setdefault("logIndex", 0)  # protobuf's JSON leaves zeros out
    found = entry.parse_all(values, what)
    if len({(each.log_id, each.body) for each in found}) != len(found):
        raise MalformedError(f"{what} has the same log entry twice")
    for each in found:
        # `sigstore_bundle.proto`, at `tlog_entries`: 0.1 has promises, later ones have proofs
        if not each.body:
            raise MalformedError(f"{what} has a log entry without its body")
        if version == "0.1" and not each.promise:
            raise MalformedError(f"{what} has a log entry without the promise that bundles v0.1 have")
        if version != "0.1" and each.proof is None:
            raise MalformedError(f"{what} has a log entry without the proof that bundles v{version} have")
    return found


def _timestamps(material: dict[str, Any], what: str) -> tuple[bytes, ...]:
    if "timestampVerificationData" not in material:
        return ()
    place = f"{what}, timestampVerificationData,"
    data = member(material, "timestampVerificationData", dict, what)
    only(data, frozenset({"rfc3161Timestamps"}), place)
    found = []
    for each in _list(data, "rfc3161Timestamps", place):
        only(each, frozenset({"signedTimestamp"}), place)
        found.append(_octets(each, "signedTimestamp", place))
    if len(set(found)) != len(found):
        raise MalformedError(f"{what} has the same timestamp twice")
    return tuple(found)


def _one_of(value: object, names: list[str] | tuple[str, ...], what: str) -> str:
    """Which one of these is there (`oneof`)."""
    found = [name for name in names if isinstance(value, dict) and name in value]
    if len(found) != 1:
        raise MalformedError(f"{what} has {len(found)} of {', '.join(names)}, where it has one")
    return found[0]


def _list(value: dict[str, Any], name: str, what: str) -> list[object]:
    """A list, which protobuf's JSON leaves out when it is empty."""
    found: list[object] = member(value, name, list, what) if name in value else []
    if len(found) > MOST_TIMESTAMPS:
        raise MalformedError(f"{what} has {len(found)} {name}; {MOST_TIMESTAMPS} is the most")
    return found


def _octets(value: object, name: str, what: str) -> bytes:
    found = decoded(member(value, name, str, what), f"{what} {name},")
    if not found:
        raise MalformedError(f"{what} has an empty {name}")
    return found
