"""A Rekor v2 log and a timestamp authority over HTTP, which answer as the real ones do.

Rekor checks the signature, and does not take one twice (sigstore/rekor-tiles `internal/server/service.go`).
"""

from __future__ import annotations

import json
import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from authorities import Tsa
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import load_der_public_key
from loopback import Answer, Asked, Server
from rekors import Rekor2

from orchestrator.log.trusted_root import TrustedRoot
from orchestrator.signing.rekor import RekorLog
from orchestrator.signing.timestamping import TimestampAuthority

ENTRIES, TIMESTAMP = "/api/v2/log/entries", "/api/v1/timestamp"


@dataclass
class RekorServer:
    """What is posted to `/api/v2/log/entries` is entered into `rekor`."""

    rekor: Rekor2
    seen: set[str] = field(default_factory=set)
    """The signatures that it took."""
    server: Server = field(init=False)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self.server = Server({ENTRIES: self.enter})

    def enter(self, asked: Asked) -> Answer:
        try:
            request = asked.json()["hashedRekordRequestV002"]
            signature, digest = request["signature"], b64decode(request["digest"])
            key = _key(signature["verifier"])
            key.verify(b64decode(signature["content"]), digest, ec.ECDSA(Prehashed(hashes.SHA256())))
        except (InvalidSignature, ValueError, LookupError, TypeError):
            return Answer.of({"code": 3, "message": "invalid hashedrekord request"}, 400)
        data = {"algorithm": "SHA2_256", "digest": request["digest"]}
        with self._lock:
            if signature["content"] in self.seen:
                return Answer.of({"code": 6, "message": "an equivalent entry already exists"}, 409)
            self.seen.add(signature["content"])
            spec = {"hashedRekordV002": {"data": data, "signature": signature}}
            return Answer.of(self.rekor.entry("hashedrekord", "0.0.2", spec), 201)


def _key(verifier: dict[str, Any]) -> ec.EllipticCurvePublicKey:
    if "x509Certificate" in verifier:
        certificate = x509.load_der_x509_certificate(b64decode(verifier["x509Certificate"]["rawBytes"]))
        key = certificate.public_key()
    else:
        key = load_der_public_key(b64decode(verifier["publicKey"]["rawBytes"]))  # type: ignore[assignment]
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key


@dataclass
class TsaServer:
    """What is posted to `/api/v1/timestamp` is stamped by `tsa`, that is by `openssl ts`."""

    tsa: Tsa
    server: Server = field(init=False)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self.server = Server({TIMESTAMP: self.stamp})

    def stamp(self, asked: Asked) -> Answer:
        with self._lock:
            return Answer(self.tsa.reply(asked.body), kind="application/timestamp-reply")


@dataclass
class Services:
    """A log and an authority, running, and the trusted root that names them. Made by `running`."""

    folder: Path
    rekor: Rekor2 = field(default_factory=lambda: Rekor2(host="127.0.0.1"))

    def __post_init__(self) -> None:
        self.tsa = Tsa(self.folder / "tsa")
        self.rekor_server, self.tsa_server = RekorServer(self.rekor), TsaServer(self.tsa)

    @classmethod
    @contextmanager
    def running(cls, folder: Path) -> Iterator[Services]:
        found = cls(folder)
        with found.rekor_server.server.running(), found.tsa_server.server.running():
            yield found

    @property
    def root(self) -> TrustedRoot:
        return TrustedRoot(tlogs=(self.rekor.log,), timestamp_authorities=(self.tsa.authority,))

    def root_file(self, name: str = "trusted_root.json") -> Path:
        path = self.folder / name
        path.write_bytes(self.root.render())
        return path

    @property
    def log_address(self) -> str:
        return self.rekor_server.server.address

    @property
    def timestamp_address(self) -> str:
        return self.tsa_server.server.address + TIMESTAMP

    @property
    def log(self) -> RekorLog:
        """A client that does not wait long before it tries again."""
        return RekorLog(self.log_address, (self.rekor.log,), delays=(0.01, 0.02))

    @property
    def clock(self) -> TimestampAuthority:
        return TimestampAuthority(self.timestamp_address, (self.tsa.authority,), delays=(0.01, 0.02))

    def toml(self) -> str:
        """`[signing]` of a tally.toml beside the trusted root."""
        settings = {
            "log": self.log_address,
            "timestamp": self.timestamp_address,
            "trusted-root": str(self.root_file()),
        }
        return "\n".join(
            ["[signing]", *(f"{name} = {json.dumps(each)}" for name, each in settings.items()), ""]
        )
