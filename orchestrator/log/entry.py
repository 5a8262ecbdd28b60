"""Entries of a log: what is logged of a signature, and how an entry and its proof travel in a bundle. Pure.

Specification: Rekor v2's hashedrekord 0.0.2 (sigstore/rekor-tiles `pkg/types/hashedrekord`), and
sigstore/protobuf-specs `sigstore_rekor.proto` in protobuf's JSON form.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final

from orchestrator.evidence.canonical import MalformedError, decoded, encoded, member, only, render
from orchestrator.ground.values import dataclass, replace
from orchestrator.log.merkle import HASH_SIZE

KIND: Final = "hashedrekord"
VERSION: Final = "0.0.2"
MOST_ENTRIES: Final = 32
"""In one bundle; sigstore-go has the same limit."""
LARGEST_BODY: Final = 1 << 16
"""Bytes of what is logged of one signature; a tile holds none that is larger (C2SP tlog-tiles)."""
_MOST_HASHES = 64  # a proof has one for each level, and sizes have 63 bits
_PREHASHED: Final = {"PKIX_ECDSA_P256_SHA_256": "sha256"}
"""Key details (`sigstore_common.proto`) to hashlib's name of the digest that is signed."""
_HASHES: Final = {"sha256": "SHA2_256", "sha384": "SHA2_384", "sha512": "SHA2_512"}
"""hashlib's names to those of `sigstore_common.proto`."""
_P256 = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")
"""How the SubjectPublicKeyInfo of every P-256 key in DER begins (RFC 5480, section 2)."""
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")
_ENTRY = frozenset(
    {
        "logIndex",
        "logId",
        "kindVersion",
        "integratedTime",
        "inclusionPromise",
        "inclusionProof",
        "canonicalizedBody",
    }
)
_PROOF = frozenset({"logIndex", "rootHash", "treeSize", "hashes", "checkpoint"})


@dataclass(frozen=True, slots=True)
class Verifier:
    """What a signature is checked with: a public key, or the certificate of one."""

    der: bytes
    """SubjectPublicKeyInfo, or the X.509 certificate."""
    key_details: str
    """Kind of key and signature, e.g. `PKIX_ECDSA_P256_SHA_256`."""
    certificate: bool = False

    def document(self) -> dict[str, Any]:
        member = "x509Certificate" if self.certificate else "publicKey"
        return {"keyDetails": self.key_details, member: {"rawBytes": encoded(self.der)}}


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature, the exact bytes that it is over, and what it is checked with."""

    data: bytes
    """For a DSSE envelope its pre-authentication encoding."""
    signature: bytes
    verifier: Verifier

    def body(self) -> bytes:
        """The one entry that stands for this signature, as the log hashes it (RFC 8785).

        Raises MalformedError for a kind of key that a log cannot check by a digest alone.
        """
        return hashedrekord(*self._digest, self.signature, self.verifier)

    def request(self) -> bytes:
        """What a log is asked to enter (rekor-tiles `CreateEntryRequest`). Raises like `body`."""
        _, digest = self._digest
        asked = {
            "digest": encoded(digest),
            "signature": {"content": encoded(self.signature), "verifier": self.verifier.document()},
        }
        return render({"hashedRekordRequestV002": asked})

    @property
    def _digest(self) -> tuple[str, bytes]:
        name = _PREHASHED.get(self.verifier.key_details)
        if name is None:
            raise MalformedError(f"a log takes no signatures of the kind {self.verifier.key_details}")
        return name, hashlib.new(name, self.data).digest()


def hashedrekord(algorithm: str, digest: bytes, signature: bytes, verifier: Verifier) -> bytes:
    """The body of the one entry that stands for a signature over a digest, by `hashlib`'s name for it."""
    spec = {
        "data": {"algorithm": _HASHES[algorithm], "digest": encoded(digest)},
        "signature": {"content": encoded(signature), "verifier": verifier.document()},
    }
    document = {"apiVersion": VERSION, "kind": KIND, "spec": {"hashedRekordV002": spec}}
    return render(document)  # of ASCII strings alone, whose one form is RFC 8785's too


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """That an entry is in the tree whose head was signed."""

    index: int
    size: int
    root: bytes
    hashes: tuple[bytes, ...]
    checkpoint: str
    """The head as a signed note."""


@dataclass(frozen=True, slots=True)
class LogEntry:
    """An entry as a bundle carries it (`TransparencyLogEntry`); nothing of it is believed yet."""

    index: int
    log_id: bytes
    kind: str
    version: str
    body: bytes
    """`canonicalizedBody`; empty where it is left out."""
    proof: InclusionProof | None
    integrated_time: int = 0
    """Seconds since 1970; means nothing without a promise."""
    promise: bytes = b""
    """Rekor v1's signed entry timestamp; empty where there is none."""

    def document(self) -> dict[str, Any]:
        """Protobuf's JSON form, without what is empty."""
        document: dict[str, Any] = {
            "logIndex": str(self.index),
            "logId": {"keyId": encoded(self.log_id)},
            "kindVersion": {"kind": self.kind, "version": self.version},
        }
        if self.integrated_time:
            document["integratedTime"] = str(self.integrated_time)
        if self.promise:
            document["inclusionPromise"] = {"signedEntryTimestamp": encoded(self.promise)}
        if self.proof is not None:
            document["inclusionProof"] = {
                "logIndex": str(self.proof.index),
                "rootHash": encoded(self.proof.root),
                "treeSize": str(self.proof.size),
                "hashes": [encoded(each) for each in self.proof.hashes],
                "checkpoint": {"envelope": self.proof.checkpoint},
            }
        if self.body:
            document["canonicalizedBody"] = encoded(self.body)
        return document


def key_verifier(spki: bytes) -> Verifier:
    """A public key as entries have it. Raises MalformedError for keys of other kinds than P-256."""
    if not spki.startswith(_P256) or len(spki) != len(_P256) + 65:
        raise MalformedError("a log takes signatures by P-256 keys alone")
    return Verifier(spki, "PKIX_ECDSA_P256_SHA_256")


def parse_all(values: object, what: str) -> tuple[LogEntry, ...]:
    """The entries of a bundle, from its `tlogEntries`. Raises MalformedError.

    One entry twice is refused: it must not count as two.
    """
    if not isinstance(values, list):
        raise MalformedError(f"{what}, tlogEntries, is not a list")
    if len(values) > MOST_ENTRIES:
        raise MalformedError(f"{what} has {len(values)} log entries; {MOST_ENTRIES} is the most")
    found = tuple(parse(each, f"{what}, log entry") for each in values)
    if len({(each.log_id, each.index) for each in found}) != len(found):
        raise MalformedError(f"{what} has the same log entry twice")
    return found


def parse(value: object, what: str) -> LogEntry:
    """One entry. Raises MalformedError, for unknown members too."""
    only(value, _ENTRY, what)
    kind = member(value, "kindVersion", dict, what)
    only(kind, frozenset({"kind", "version"}), what)
    entry = LogEntry(
        index=_number(value, "logIndex", what),
        log_id=_octets(member(value, "logId", dict, what), "keyId", what),
        kind=member(kind, "kind", str, what),
        version=member(kind, "version", str, what),
        body=_octets(value, "canonicalizedBody", what) if _has(value, "canonicalizedBody") else b"",
        proof=_proof(member(value, "inclusionProof", dict, what), what)
        if _has(value, "inclusionProof")
        else None,
        integrated_time=_number(value, "integratedTime", what) if _has(value, "integratedTime") else 0,
    )
    if len(entry.body) > LARGEST_BODY:
        raise MalformedError(f"{what} has a body of more than {LARGEST_BODY} bytes")
    if not _has(value, "inclusionPromise"):
        return entry
    promise = member(value, "inclusionPromise", dict, what)
    return replace(entry, promise=_octets(promise, "signedEntryTimestamp", what))


def _proof(value: dict[str, Any], what: str) -> InclusionProof:
    only(value, _PROOF, f"{what}, inclusionProof")
    hashes = member(value, "hashes", list, what) if "hashes" in value else []
    if len(hashes) > _MOST_HASHES or not all(isinstance(each, str) for each in hashes):
        raise MalformedError(f"{what} has hashes that make no inclusion proof")
    root, *siblings = (decoded(each, what) for each in [member(value, "rootHash", str, what), *hashes])
    if any(len(each) != HASH_SIZE for each in (root, *siblings)):
        raise MalformedError(f"{what} has hashes that are not sha256")
    return InclusionProof(
        index=_number(value, "logIndex", what) if "logIndex" in value else 0,
        size=_number(value, "treeSize", what),
        root=root,
        hashes=tuple(siblings),
        checkpoint=member(member(value, "checkpoint", dict, what), "envelope", str, what),
    )


def _number(value: object, name: str, what: str) -> int:
    """An int64 of protobuf's JSON: a string of digits, or a number."""
    found = value.get(name) if isinstance(value, dict) else None
    if isinstance(found, int) and not isinstance(found, bool):
        found = str(found) if 0 <= found < 1 << 63 else None
    if not isinstance(found, str) or not _NUMBER.fullmatch(found) or int(found) >= 1 << 63:
        raise MalformedError(f"{what} has no {name!r} that is a number")
    return int(found)


def _octets(value: object, name: str, what: str) -> bytes:
    return decoded(member(value, name, str, what), f"{what}, {name},")


def _has(value: object, name: str) -> bool:
    return isinstance(value, dict) and name in value
