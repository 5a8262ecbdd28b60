"""Entries: the canonical form that other verifiers rebuild, and every way of being no entry."""

from __future__ import annotations

import copy
import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.evidence.canonical import MalformedError, encoded
from orchestrator.keys.key import SigningKey
from orchestrator.log import entry
from orchestrator.log.entry import InclusionProof, LogEntry, Signed, Verifier, key_verifier

ENTRY = LogEntry(
    index=7,
    log_id=bytes(32),
    kind="hashedrekord",
    version="0.0.2",
    body=b'{"a":"body"}',
    proof=InclusionProof(7, 9, b"r" * 32, (b"a" * 32, b"b" * 32), "origin\n9\n…"),
)


def signed() -> Signed:
    key = SigningKey.generate()
    return Signed(b"the bytes", key.sign(b"the bytes"), key_verifier(key.public.spki))


def test_the_body_is_the_one_that_sigstore_would_make() -> None:
    from sigstore_models.rekor.v2.entry import Entry

    one = signed()
    body = one.body()
    found = Entry.from_json(body)
    assert (found.kind, found.api_version) == ("hashedrekord", "0.0.2")
    spec = found.spec.hashed_rekord_v002
    assert spec is not None
    assert spec.data.digest == hashlib.sha256(b"the bytes").digest()
    assert spec.signature.content == one.signature
    assert spec.signature.verifier.public_key is not None
    assert spec.signature.verifier.public_key.raw_bytes == one.verifier.der
    assert json.loads(found.to_json()) == json.loads(body)
    assert body == json.dumps(json.loads(body), sort_keys=True, separators=(",", ":")).encode()


def test_a_certificate_stands_in_the_place_of_a_key() -> None:
    one = signed()
    certified = replace(one, verifier=Verifier(b"a certificate", one.verifier.key_details, certificate=True))
    verifier = json.loads(certified.body())["spec"]["hashedRekordV002"]["signature"]["verifier"]
    assert verifier == {
        "keyDetails": "PKIX_ECDSA_P256_SHA_256",
        "x509Certificate": {"rawBytes": encoded(b"a certificate")},
    }


@pytest.mark.parametrize("part", ["data", "signature", "verifier"])
def test_every_part_of_what_was_signed_is_in_the_body(part: str) -> None:
    one = signed()
    changes: dict[str, Any] = {part: Verifier(b"x", one.verifier.key_details) if part == "verifier" else b"x"}
    other = replace(one, **changes)
    assert other.body() != one.body()


def test_a_log_takes_only_signatures_that_it_can_check_by_a_digest() -> None:
    with pytest.raises(MalformedError, match="PKIX_ED25519"):
        replace(signed(), verifier=Verifier(b"key", "PKIX_ED25519")).body()
    with pytest.raises(MalformedError, match="P-256"):
        key_verifier(bytes(91))


def test_an_entry_is_written_and_read_back() -> None:
    assert entry.parse(ENTRY.document(), "it") == ENTRY
    v1 = replace(ENTRY, version="0.0.1", integrated_time=1700000000, promise=b"promise", proof=None)
    assert entry.parse(v1.document(), "it") == v1
    assert entry.parse_all([ENTRY.document(), v1.document() | {"logIndex": 8}], "it")[1].index == 8


def test_sigstore_reads_it_too() -> None:
    from sigstore_models.rekor.v1 import TransparencyLogEntry

    found = TransparencyLogEntry.from_json(json.dumps(ENTRY.document()))
    assert (found.log_index, found.canonicalized_body) == (7, ENTRY.body)


BAD: dict[str, tuple[str, Any]] = {
    "no index": ("logIndex", None),
    "negative index": ("logIndex", "-1"),
    "index in another base": ("logIndex", "0x7"),
    "index with zeros": ("logIndex", "07"),
    "index that is a fraction": ("logIndex", 7.5),
    "index that is true": ("logIndex", True),
    "index beyond all measure": ("logIndex", 1 << 63),
    "index of many digits": ("logIndex", "9" * 19),
    "index in other digits": ("logIndex", "\N{ARABIC-INDIC DIGIT SEVEN}"),
    "no log": ("logId", {}),
    "a log that is text": ("logId", "AAAA"),
    "log id not in base64": ("logId", {"keyId": "AA"}),
    "no kind": ("kindVersion", {"version": "0.0.2"}),
    "more kinds": ("kindVersion", {"kind": "a", "version": "b", "also": "c"}),
    "body not in base64": ("canonicalizedBody", "%"),
    "proof that is a list": ("inclusionProof", []),
    "unknown member": ("logURL", ""),
    "promise without a timestamp": ("inclusionPromise", {}),
    "time that is none": ("integratedTime", "now"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_entry(name: str) -> None:
    member, value = BAD[name]
    document = ENTRY.document() | {member: value}
    if value is None:
        del document[member]
    with pytest.raises(MalformedError, match="the entry"):
        entry.parse(document, "the entry")


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("rootHash", encoded(b"short")),
        ("rootHash", 5),
        ("treeSize", "nine"),
        ("hashes", [encoded(b"short")]),
        ("hashes", [encoded(bytes(32))] * 65),
        ("hashes", [5]),
        ("hashes", "AAAA"),
        ("checkpoint", {}),
        ("checkpoint", "text"),
        ("also", 1),
    ],
)
def test_what_is_no_proof(member: str, value: Any) -> None:
    document = copy.deepcopy(ENTRY.document())
    document["inclusionProof"][member] = value
    with pytest.raises(MalformedError, match="the entry"):
        entry.parse(document, "the entry")


@pytest.mark.parametrize("value", [None, {}, [[]], ["entry"], [ENTRY.document()] * 2])
def test_what_is_no_list_of_entries(value: Any) -> None:
    with pytest.raises(MalformedError, match="the bundle"):
        entry.parse_all(value, "the bundle")


def test_a_bundle_has_at_most_so_many_entries() -> None:
    many = [ENTRY.document() | {"logIndex": str(number)} for number in range(entry.MOST_ENTRIES + 1)]
    assert len(entry.parse_all(many[:-1], "it")) == entry.MOST_ENTRIES
    with pytest.raises(MalformedError, match="is the most"):
        entry.parse_all(many, "it")
