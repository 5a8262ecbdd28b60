"""A whole Sigstore instance on loopback: OIDC issuer, Fulcio, Rekor v2 and a timestamp authority over HTTP.

What the servers do is what the real ones do, as far as a client can see: Fulcio checks the token's signature
and the proof of possession (sigstore/fulcio, `fulcio.proto`, /api/v2/signingCert), Rekor the signature.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from authorities import Fulcio, Tsa
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import Encoding
from loopback import Answer, Asked, Server
from rekors import Rekor1, Rekor2
from services import RekorServer, TsaServer

from orchestrator.log.trusted_root import TrustedRoot
from orchestrator.signing.keyless import KeylessSigner, Wanted
from orchestrator.signing.login import Origin, login_of

ALICE = "alice@example.org"


def segment(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass
class Oidc:
    """An OpenID provider whose users are whoever the test says."""

    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    server: Server = field(init=False)
    subject: dict[str, Any] = field(default_factory=lambda: {"email": ALICE, "email_verified": True})
    """Who logs in."""

    def __post_init__(self) -> None:
        self.server = Server(
            {
                "/.well-known/openid-configuration": lambda _: Answer.of(
                    {
                        "issuer": self.issuer,
                        "authorization_endpoint": f"{self.issuer}/auth",
                        "token_endpoint": f"{self.issuer}/token",
                        "jwks_uri": f"{self.issuer}/keys",
                    }
                ),
                "/keys": lambda _: Answer.of({"keys": [self._jwk()]}),
                "/auth": self._authorize,
                "/token": lambda _: Answer.of({"access_token": self.token(), "token_type": "Bearer"}),
                "/ambient": lambda _: Answer.of({"value": self.token()}),
            }
        )

    @property
    def issuer(self) -> str:
        return self.server.address

    def token(self, *, lasts: float = 600, **claims: Any) -> str:
        """A signed token (RS256); `claims` are put in, or left out where they are None."""
        now = int(time.time())
        body = {"iss": self.issuer, "aud": "sigstore", "sub": "user-1", **self.subject}
        body |= {"iat": now - 5, "exp": int(now + lasts), **claims}
        body = {name: value for name, value in body.items() if value is not None}
        header = {"alg": "RS256", "typ": "JWT", "kid": "1"}
        text = ".".join(segment(json.dumps(each).encode()) for each in (header, body))
        return f"{text}.{segment(self.key.sign(text.encode(), PKCS1v15(), hashes.SHA256()))}"

    def claims(self, token: str) -> dict[str, Any] | None:
        """What a token says; None for one that is not ours, or has ended."""
        text, _, signature = token.rpartition(".")
        try:
            self.key.public_key().verify(
                urlsafe_b64decode(signature + "=="), text.encode(), PKCS1v15(), hashes.SHA256()
            )
            found: dict[str, Any] = json.loads(urlsafe_b64decode(text.split(".")[1] + "=="))
        except (InvalidSignature, ValueError, IndexError):
            return None
        return found if found["exp"] > time.time() and found["aud"] == "sigstore" else None

    def _authorize(self, asked: Asked) -> Answer:
        back = urlencode({"code": "4711", "state": asked.query["state"][0]})
        return Answer(b"", 302, location=f"{asked.query['redirect_uri'][0]}?{back}")

    def _jwk(self) -> dict[str, str]:
        numbers = self.key.public_key().public_numbers()
        n, e = (
            segment(each.to_bytes((each.bit_length() + 7) // 8, "big")) for each in (numbers.n, numbers.e)
        )
        return {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "1", "n": n, "e": e}


@dataclass
class PrivateInstance:
    """All of it, running. Made by `running`."""

    folder: Path
    fulcio: Fulcio = field(default_factory=Fulcio)
    oidc: Oidc = field(default_factory=Oidc)
    leaf: dict[str, Any] = field(default_factory=dict)
    """What the next certificates are instead of right: arguments of `Fulcio.issue`."""
    rekor_version: int = 2
    """The public instance's was 1 for long: its entries have a promise, which tells the time."""
    issued: list[x509.Certificate] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tsa = Tsa(self.folder / "tsa")
        self.rekor = Rekor2(host="127.0.0.1")
        self.rekor1 = Rekor1()
        self.ca = Server(
            {"/api/v2/configuration": self._configuration, "/api/v2/signingCert": self._signing_cert}
        )
        self.rekor_server = RekorServer(self.rekor)
        self.log = self.rekor_server.server
        self.log.routes["/api/v1/log/entries"] = self._add_entry_of_1
        self.clock = TsaServer(self.tsa).server
        self._lock = threading.Lock()

    @classmethod
    @contextmanager
    def running(cls, folder: Path, **of: Any) -> Iterator[PrivateInstance]:
        found = cls(folder, **of)
        servers = (found.oidc.server, found.ca, found.log, found.clock)
        with servers[0].running(), servers[1].running(), servers[2].running(), servers[3].running():
            yield found

    @property
    def root(self) -> TrustedRoot:
        return TrustedRoot(
            tlogs=(self.rekor.log if self.rekor_version == 2 else self.rekor1.log,),
            certificate_authorities=(self.fulcio.authority,),
            ctlogs=(self.fulcio.ct_log,),
            timestamp_authorities=(self.tsa.authority,),
        )

    def config(self, **changes: Any) -> Path:
        """The ClientTrustConfig, in a file."""
        always = {"start": "2020-01-01T00:00:00Z"}

        def service(address: str, version: int = 1) -> dict[str, Any]:
            return {"url": address, "majorApiVersion": version, "validFor": always, "operator": "tests"}

        signing: dict[str, Any] = {
            "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
            "caUrls": [service(self.ca.address)],
            "oidcUrls": [service(self.oidc.issuer)],
            "rekorTlogUrls": [service(self.log.address, self.rekor_version)],
            "rekorTlogConfig": {"selector": "ANY"},
            "tsaUrls": [service(f"{self.clock.address}/api/v1/timestamp")],
            "tsaConfig": {"selector": "ANY"},
        }
        document = {
            "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
            "trustedRoot": json.loads(self.root.render()),
            "signingConfig": {**signing, **changes},
        }
        path = self.folder / "instance.json"
        path.write_text(json.dumps(document))
        return path

    def root_file(self) -> Path:
        path = self.folder / "trusted_root.json"
        path.write_bytes(self.root.render())
        return path

    def signer(self, config: Path | None = None, **claims: Any) -> KeylessSigner:
        """Somebody who has logged in here."""
        from orchestrator.signing.instance import Instance

        wanted = Wanted(config or self.config())
        login = login_of(self.oidc.token(**claims), Origin.GIVEN)
        return KeylessSigner(Instance.load(wanted.instance), wanted, login)

    def _configuration(self, asked: Asked) -> Answer:
        issuer = {
            "issuerUrl": self.oidc.issuer,
            "audience": "sigstore",
            "challengeClaim": "email",
            "issuerType": "email",
        }
        return Answer.of({"issuers": [issuer]})

    def _signing_cert(self, asked: Asked) -> Answer:
        claims = self.oidc.claims(asked.headers.get("Authorization", "").removeprefix("Bearer "))
        if claims is None:
            return Answer.of({"code": 16, "message": "error processing the identity token"}, 401)
        request = x509.load_pem_x509_csr(b64decode(asked.json()["certificateSigningRequest"]))
        if not request.is_signature_valid:
            return Answer.of({"code": 3, "message": "the proof of possession is invalid"}, 400)
        key = request.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        subject = claims.get("email") or claims["sub"]
        if "job_workflow_ref" in claims:
            subject = f"https://github.com/{claims['job_workflow_ref']}"
        leaf = {"subject": subject, "issuer": claims["iss"], **self.leaf}
        certificate = self.fulcio.issue(leaf.pop("key", key), **leaf)
        self.issued.append(certificate)
        chain = [
            each.public_bytes(Encoding.PEM).decode() for each in (certificate, self.fulcio.ca.certificate)
        ]
        return Answer.of({"signedCertificateEmbeddedSct": {"chain": {"certificates": chain}}})

    def _add_entry_of_1(self, asked: Asked) -> Answer:
        """Rekor v1's answer: the entry by its id, hashes in hexadecimal (sigstore/rekor, `openapi.yaml`)."""
        content = asked.json()["spec"]["proposedContent"]
        envelope = json.loads(content["envelope"])
        (signature,), (verifier,) = envelope["signatures"], content["verifiers"]
        sha256 = {"algorithm": "sha256"}
        spec = {
            "envelopeHash": {**sha256, "value": hashlib.sha256(content["envelope"].encode()).hexdigest()},
            "payloadHash": {
                **sha256,
                "value": hashlib.sha256(b64decode(envelope["payload"])).hexdigest(),
            },
            "signatures": [{"signature": signature["sig"], "verifier": verifier}],
        }
        with self._lock:
            entry = self.rekor1.entry("dsse", "0.0.1", spec)
        proof = entry["inclusionProof"]
        found = {
            "body": entry["canonicalizedBody"],
            "integratedTime": int(entry["integratedTime"]),
            "logID": b64decode(entry["logId"]["keyId"]).hex(),
            "logIndex": int(entry["logIndex"]),
            "verification": {
                "inclusionProof": {
                    "checkpoint": proof["checkpoint"]["envelope"],
                    "hashes": [b64decode(each).hex() for each in proof["hashes"]],
                    "logIndex": int(proof["logIndex"]),
                    "rootHash": b64decode(proof["rootHash"]).hex(),
                    "treeSize": int(proof["treeSize"]),
                },
                "signedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"],
            },
        }
        return Answer.of({"24296fb24b8ad77a" + "ab" * 32: found}, 201)
