"""A release by a key that was logged and stamped, and ways to harm what the log and the authority say in it.

Each harm is of its provenance bundle, with the code that `tally verify` refuses the release with.
"""

from __future__ import annotations

import json
import shutil
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import releases
from authorities import Tsa
from rekors import Rekor2, b64
from services import Services

from orchestrator.bundles import own_bundle
from orchestrator.evidence.canonical import render_document
from orchestrator.keys.key import SigningKey
from orchestrator.log import note
from orchestrator.log.merkle import EMPTY_ROOT
from orchestrator.log.note import Checkpoint
from orchestrator.log.trusted_root import TrustedRoot
from orchestrator.policy.verdict import Code
from orchestrator.signing import bundling
from orchestrator.signing.witnesses import Witnesses

Document = dict[str, Any]
BUNDLE = "attestations/provenance.sigstore.json"


@dataclass(frozen=True)
class Case:
    """The release, who witnessed it, and others who witness what they like."""

    folder: Path
    key: SigningKey
    builders: dict[str, SigningKey]
    made: releases.Made
    services: Services
    other_log: Rekor2
    other_tsa: Tsa

    @classmethod
    def new(cls, folder: Path, services: Services) -> Case:
        made = releases.observed(folder / "in")
        key, keys = SigningKey.generate(), releases.builder_keys(made)
        path = releases.published(folder / "out", made, key, keys, services.log, services.clock).path
        return cls(path, key, keys, made, services, Rekor2(host="127.0.0.1"), Tsa(folder / "other"))

    @property
    def root(self) -> TrustedRoot:
        return self.services.root

    @property
    def artifact(self) -> Path:
        return self.folder / self.made.facts.artifact.file_name

    def document(self, name: str = BUNDLE) -> Document:
        found: Document = json.loads((self.folder / name).read_bytes())
        return found

    @property
    def signature(self) -> bytes:
        return b64decode(self.document()["dsseEnvelope"]["signatures"][0]["sig"])

    def harmed(self, name: str, folder: Path) -> Path:
        """A copy of the release after a harm; its index is made to fit."""
        return self.changed(HARMS[name][1], folder)

    def changed(self, change: Harm, folder: Path) -> Path:
        found = folder / self.folder.name
        shutil.copytree(self.folder, found)
        before = self.document()
        after = change(json.loads(json.dumps(before)), self)
        assert after != before
        (found / BUNDLE).write_bytes(render_document(after))
        releases.reindex(found)
        return found


Harm = Callable[[Document, Case], Document]
HARMS: dict[str, tuple[Code, Harm]] = {}


def _harm(name: str, code: Code, change: Callable[[Document, Case], object]) -> None:
    def changed(document: Document, case: Case) -> Document:
        change(document["verificationMaterial"], case)
        return document

    HARMS[name] = (code, changed)


def _entries(material: Document) -> list[Any]:
    found: list[Any] = material["tlogEntries"]
    return found


def _entry(*path: str, to: Any) -> Callable[[Document, Case], None]:
    """One part of the entry, made into something else."""

    def change(material: Document, case: Case) -> None:
        part = _entries(material)[0]
        for step in path[:-1]:
            part = part[step]
        part[path[-1]] = to(part[path[-1]]) if callable(to) else to

    return change


def _flipped(text: str) -> str:
    data = bytearray(b64decode(text))
    data[len(data) // 2] ^= 1
    return b64(bytes(data))


def _of_other_log(material: Document, case: Case) -> Document:
    body = b64decode(_entries(material)[0]["canonicalizedBody"])
    return case.other_log.of_body("hashedrekord", "0.0.2", body)


def _in_its_name(material: Document, case: Case) -> None:
    log_id = _entries(material)[0]["logId"]
    material["tlogEntries"] = [{**_of_other_log(material, case), "logId": log_id}]


def _later_head(material: Document, case: Case) -> None:
    """The log's own, of another tree than the proof's."""
    entry = case.services.rekor.of_body("hashedrekord", "0.0.2", b'{"another":1}')
    _entries(material)[0]["inclusionProof"]["checkpoint"] = entry["inclusionProof"]["checkpoint"]


def _in_another_name(material: Document, case: Case) -> None:
    """The log's key signs a head that is said to be somebody else's."""
    log = case.services.rekor
    proof = _entries(material)[0]["inclusionProof"]
    head = Checkpoint("elsewhere.example.org", int(proof["treeSize"]), b64decode(proof["rootHash"]))
    proof["checkpoint"] = {"envelope": note.sign(head, log.key, log.log.key).render()}


def _empty_tree(material: Document, case: Case) -> None:
    log = case.services.rekor
    proof = _entries(material)[0]["inclusionProof"]
    text = note.sign(Checkpoint(log.host, 0, EMPTY_ROOT), log.key, log.log.key).render()
    proof |= {"treeSize": "0", "rootHash": b64(EMPTY_ROOT), "hashes": [], "checkpoint": {"envelope": text}}


def _twice_in_one_log(material: Document, case: Case) -> None:
    body = b64decode(_entries(material)[0]["canonicalizedBody"])
    _entries(material).append(case.services.rekor.of_body("hashedrekord", "0.0.2", body))


_HEAD = ("inclusionProof", "checkpoint", "envelope")
_INVALID, _ABSENT = Code.LOG_PROOF_INVALID, Code.NOT_IN_LOG
_harm("no entry", _ABSENT, lambda material, case: material.update(tlogEntries=[]))
_harm("no list of entries", Code.MALFORMED, lambda material, case: material.pop("tlogEntries"))
_harm(
    "another bundle's entry", _ABSENT,
    lambda material, case: material.update(
        tlogEntries=case.document("attestations/sbom-spdx.sigstore.json")["verificationMaterial"]["tlogEntries"]
    ),
)  # fmt: skip
_harm(
    "the entry twice",
    Code.MALFORMED,
    lambda material, case: material["tlogEntries"].extend(_entries(material)),
)
_harm("the signature in two places of the log", Code.MALFORMED, _twice_in_one_log)
_harm(
    "an entry of another log", _ABSENT,
    lambda material, case: material.update(tlogEntries=[_of_other_log(material, case)]),
)  # fmt: skip
_harm("an entry of another log, by this one's name", _INVALID, _in_its_name)
_harm("another body", _ABSENT, _entry("canonicalizedBody", to=_flipped))
_harm(
    "a body with a blank more",
    _ABSENT,
    _entry("canonicalizedBody", to=lambda text: b64(b64decode(text) + b" ")),
)
_harm("another kind", _INVALID, _entry("kindVersion", "kind", to="dsse"))
_harm("another version", _INVALID, _entry("kindVersion", "version", to="0.0.1"))
_harm("another index", _INVALID, _entry("logIndex", to="3"))
_harm("another index in the proof", _INVALID, _entry("inclusionProof", "logIndex", to="3"))
_harm("another size", _INVALID, _entry("inclusionProof", "treeSize", to="9999"))
_harm("another root", _INVALID, _entry("inclusionProof", "rootHash", to=_flipped))
_harm(
    "a flipped bit in the proof",
    _INVALID,
    _entry("inclusionProof", "hashes", to=lambda found: [_flipped(found[0]), *found[1:]]),
)
_harm("a hash less", _INVALID, _entry("inclusionProof", "hashes", to=lambda found: found[:-1]))
_harm("a hash more", _INVALID, _entry("inclusionProof", "hashes", to=lambda found: [*found, found[0]]))
_harm("hashes in another order", _INVALID, _entry("inclusionProof", "hashes", to=lambda found: found[::-1]))
_harm("no proof", _INVALID, lambda material, case: _entries(material)[0].pop("inclusionProof"))
_harm("an unsigned head", _INVALID, _entry(*_HEAD, to=lambda text: text.partition("\n\n")[0] + "\n\n"))
_harm("a head that another key signed", _INVALID, _entry(*_HEAD, to=lambda text: text[:-8] + "AAAAAA=\n"))
_harm("a head of another size", _INVALID, _entry(*_HEAD, to=lambda text: text.replace("\n", "\n1", 1)))
_harm("a head in another name", _INVALID, _in_another_name)
_harm("a head of a later tree", _INVALID, _later_head)
_harm("a head of the empty tree", _INVALID, _empty_tree)
_harm(
    "a time that nobody promised",
    _INVALID,
    lambda material, case: _entries(material)[0].update(integratedTime="1"),
)
_PROMISE = {"signedEntryTimestamp": b64(b"I do")}
_harm(
    "a promise by nobody",
    _INVALID,
    lambda material, case: _entries(material)[0].update(inclusionPromise=_PROMISE),
)


def _stamp(of: Callable[[Case], bytes], *, more: bool = False) -> Callable[[Document, Case], None]:
    """A timestamp in place of the one that is there, or beside it."""

    def change(material: Document, case: Case) -> None:
        stamps = material["timestampVerificationData"]["rfc3161Timestamps"]
        new = {"signedTimestamp": b64(of(case))}
        material["timestampVerificationData"]["rfc3161Timestamps"] = [*(stamps if more else []), new]

    return change


def _own(case: Case) -> bytes:
    data = case.document()["verificationMaterial"]["timestampVerificationData"]
    return b64decode(data["rfc3161Timestamps"][0]["signedTimestamp"])


def _bit(position: float) -> Callable[[Case], bytes]:
    def flipped(case: Case) -> bytes:
        data = bytearray(_own(case))
        data[int(position * (len(data) - 1))] ^= 1
        return bytes(data)

    return flipped


_BAD = Code.TIMESTAMP_INVALID
_harm(
    "no timestamp", Code.TIMESTAMP_MISSING, lambda material, case: material.pop("timestampVerificationData")
)
_harm(
    "an empty list of timestamps", Code.MALFORMED,
    lambda material, case: material.update(timestampVerificationData={"rfc3161Timestamps": []}),
)  # fmt: skip
_harm(
    "no list of timestamps", Code.MALFORMED,
    lambda material, case: material.update(timestampVerificationData={}),
)  # fmt: skip
_harm(
    "another bundle's timestamp", _BAD,
    lambda material, case: material.update(
        timestampVerificationData=case.document("attestations/sbom-spdx.sigstore.json")["verificationMaterial"][
            "timestampVerificationData"
        ]
    ),
)  # fmt: skip
_harm(
    "a timestamp by another authority of the same name",
    _BAD,
    _stamp(lambda case: case.other_tsa.stamp(case.signature)),
)
_harm(
    "a good timestamp, and one by another authority", _BAD,
    _stamp(lambda case: case.other_tsa.stamp(case.signature), more=True),
)  # fmt: skip
_harm("a timestamp of the payload", _BAD, _stamp(lambda case: case.services.tsa.stamp(
    b64decode(case.document()["dsseEnvelope"]["payload"]))))  # fmt: skip
_harm(
    "a timestamp of the artifact",
    _BAD,
    _stamp(lambda case: case.services.tsa.stamp(case.artifact.read_bytes())),
)
_harm("a timestamp twice", Code.MALFORMED, _stamp(_own, more=True))
_harm("a timestamp that is none", _BAD, _stamp(lambda case: b"what time is it?"))
_harm("an empty timestamp", Code.MALFORMED, _stamp(lambda case: b""))
_harm("a timestamp that is cut", _BAD, _stamp(lambda case: _own(case)[:-1]))
_harm("a timestamp with more behind it", _BAD, _stamp(lambda case: _own(case) + b"\0"))
_GRANTED, _REJECTED = bytes.fromhex("3003020100"), bytes.fromhex("3003020102")
_harm(
    "a timestamp that was rejected",
    _BAD,
    _stamp(lambda case: _own(case).replace(_GRANTED, _REJECTED, 1)),
)
_harm("a rejection alone", _BAD, _stamp(lambda case: bytes.fromhex("30053003020102")))
_harm("a token without its response", _BAD, _stamp(lambda case: _own(case)[9:]))
_harm("a bit of its end", _BAD, _stamp(_bit(1)))
_harm("a bit of its middle", _BAD, _stamp(_bit(0.5)))
_harm("a bit of its start", _BAD, _stamp(_bit(0.02)))
_harm(
    "thirty-three timestamps", Code.MALFORMED,
    lambda material, case: material.update(timestampVerificationData={
        "rfc3161Timestamps": [{"signedTimestamp": b64(_own(case) + bytes([n]))} for n in range(33)]}),
)  # fmt: skip
_harm(
    "something else beside the timestamps", Code.MALFORMED,
    lambda material, case: material["timestampVerificationData"].update(rfc9999Timestamps=[]),
)  # fmt: skip


def _signed_again(document: Document, case: Case) -> Document:
    """By the release key itself: log and authority speak of the signature before."""
    old = own_bundle.parse(render_document(document), "it")
    (new,) = bundling.witnessed([old.envelope.payload], case.key, Witnesses())
    return {**document, "dsseEnvelope": new.envelope.document()}


HARMS["signed again, and neither stamped nor logged"] = (Code.TIMESTAMP_INVALID, _signed_again)
