"""Transparency logs in memory, of both kinds: Rekor v1 with promises, Rekor v2 with proofs alone."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any

from authorities import LONG_AGO, new_key, now, spki
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from orchestrator.evidence.canonical import render
from orchestrator.log import merkle
from orchestrator.log.trusted_root import LogInstance, Window


def b64(data: bytes) -> str:
    return b64encode(data).decode("ascii")


class _Leaves:
    """Some strangers' entries come first, so that proofs have something in them."""

    def __init__(self, before: int = 5) -> None:
        self.bodies = [b'{"stranger":%d}' % number for number in range(before)]

    def add(self, body: bytes) -> tuple[int, int, bytes, tuple[bytes, ...]]:
        """Index, size, root, proof."""
        self.bodies.append(body)
        self.bodies.append(b'{"stranger":"after"}')
        index, size = len(self.bodies) - 2, len(self.bodies)
        return (
            index,
            size,
            merkle.root(size, self._subtree),
            merkle.inclusion_proof(index, size, self._subtree),
        )

    def _subtree(self, level: int, index: int) -> bytes:
        if level == 0:
            return merkle.leaf_hash(self.bodies[index])
        return merkle.node_hash(self._subtree(level - 1, 2 * index), self._subtree(level - 1, 2 * index + 1))


def _proof(index: int, size: int, root: bytes, hashes_: tuple[bytes, ...], checkpoint: str) -> dict[str, Any]:
    return {
        "logIndex": str(index),
        "rootHash": b64(root),
        "treeSize": str(size),
        "hashes": [b64(each) for each in hashes_],
        "checkpoint": {"envelope": checkpoint},
    }


@dataclass
class Rekor1:
    """Rekor v1: ECDSA, a tree's number in the origin, an index over all its trees, and promises."""

    host: str = "rekor.example.org"
    key: ec.EllipticCurvePrivateKey = field(default_factory=new_key)
    leaves: _Leaves = field(default_factory=_Leaves)
    window: Window = LONG_AGO

    def entry(
        self, kind: str, version: str, spec: dict[str, Any], *, integrated: int | None = None
    ) -> dict[str, Any]:
        """An entry as a bundle has it."""
        body = render({"kind": kind, "apiVersion": version, "spec": spec})
        index, size, root, proof = self.leaves.add(body)
        text = f"{self.host} - 2605736670972794746\n{size}\n{b64(root)}\n"
        log_id = self.log.log_id
        signed = b64(log_id[:4] + self._sign(text.encode()))
        moment = int(now().timestamp()) if integrated is None else integrated
        everywhere = index + 1_000_000
        promise = {"body": b64(body), "integratedTime": moment, "logID": log_id.hex(), "logIndex": everywhere}
        return {
            "logIndex": str(everywhere),
            "logId": {"keyId": b64(log_id)},
            "kindVersion": {"kind": kind, "version": version},
            "integratedTime": str(moment),
            "inclusionPromise": {"signedEntryTimestamp": b64(self._sign(render(promise)))},
            "inclusionProof": _proof(index, size, root, proof, f"{text}\n\N{EM DASH} {self.host} {signed}\n"),
            "canonicalizedBody": b64(body),
        }

    def _sign(self, data: bytes) -> bytes:
        return self.key.sign(data, ec.ECDSA(hashes.SHA256()))

    @property
    def log(self) -> LogInstance:
        log_id = hashlib.sha256(spki(self.key)).digest()
        return LogInstance(
            f"https://{self.host}", spki(self.key), "PKIX_ECDSA_P256_SHA_256", log_id, self.window
        )


@dataclass
class Rekor2:
    """Rekor v2: Ed25519, C2SP checkpoints, no times."""

    host: str = "log2.example.org"
    key: ed25519.Ed25519PrivateKey = field(default_factory=ed25519.Ed25519PrivateKey.generate)
    leaves: _Leaves = field(default_factory=_Leaves)
    window: Window = LONG_AGO

    def entry(self, kind: str, version: str, spec: dict[str, Any]) -> dict[str, Any]:
        """An entry as a bundle has it."""
        return self.of_body(kind, version, render({"kind": kind, "apiVersion": version, "spec": spec}))

    def of_body(self, kind: str, version: str, body: bytes) -> dict[str, Any]:
        """The same for a body that need not be what it says."""
        index, size, root, proof = self.leaves.add(body)
        text = f"{self.host}\n{size}\n{b64(root)}\n"
        signed = b64(self.log.log_id[:4] + self.key.sign(text.encode()))
        return {
            "logIndex": str(index),
            "logId": {"keyId": b64(self.log.log_id)},
            "kindVersion": {"kind": kind, "version": version},
            "inclusionProof": _proof(index, size, root, proof, f"{text}\n\N{EM DASH} {self.host} {signed}\n"),
            "canonicalizedBody": b64(body),
        }

    def head(self) -> str:
        """The newest checkpoint."""
        proof = self.of_body("none", "0", b"{}")["inclusionProof"]
        found: str = proof["checkpoint"]["envelope"]
        return found

    @property
    def log(self) -> LogInstance:
        raw = self.key.public_key().public_bytes_raw()
        log_id = hashlib.sha256(self.host.encode() + b"\n\x01" + raw).digest()
        der = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return LogInstance(f"https://{self.host}", der, "PKIX_ED25519", log_id, self.window)
