"""Bundles as strangers make them: every kind of content, signer, log entry and version, whole and good."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from authorities import Fulcio, Tsa, der, new_key
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from rekors import Rekor1, Rekor2, b64

from orchestrator.evidence.canonical import render
from orchestrator.keys.dsse import pae
from orchestrator.keys.key import PublicKey
from orchestrator.keys.kinds import EVERY
from orchestrator.log.trusted_root import TrustedRoot

PROVENANCE = "https://slsa.dev/provenance/v1"
IN_TOTO = "application/vnd.in-toto+json"
MEDIA_TYPES = {
    "0.1": "application/vnd.dev.sigstore.bundle+json;version=0.1",
    "0.2": "application/vnd.dev.sigstore.bundle+json;version=0.2",
    "0.3": "application/vnd.dev.sigstore.bundle.v0.3+json",
    "0.3 alternative": "application/vnd.dev.sigstore.bundle+json;version=0.3",
}
ARTIFACT = b"what a stranger made\n" * 100
PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
Document = dict[str, Any]


def _rsa() -> Iterator[rsa.RSAPrivateKey]:
    """Four keys, over and over, since to make one takes 0.2 s: whoever takes two has two."""
    made: list[rsa.RSAPrivateKey] = []
    for number in count():
        if len(made) < 4:
            made.append(rsa.generate_private_key(65537, 2048))
        yield made[number % 4]


_RSA = _rsa()


def key_of(kind: str) -> PrivateKey:
    match kind:
        case "p256":
            return new_key()
        case "p384":
            return ec.generate_private_key(ec.SECP384R1())
        case "p521":
            return ec.generate_private_key(ec.SECP521R1())
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
        case _:
            return next(_RSA)


_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
_NAMES = {"sha256": "SHA2_256", "sha384": "SHA2_384", "sha512": "SHA2_512"}
_OWN = {"secp384r1": "sha384", "secp521r1": "sha512"}


def hash_of(key: PrivateKey, said: str | None = None) -> str:
    """The hash that a key signs: what is said, else its kind's own."""
    if said is not None or not isinstance(key, ec.EllipticCurvePrivateKey):
        return said or "sha256"
    return _OWN.get(key.curve.name, "sha256")


def sign(key: PrivateKey, data: bytes, by: str | None = None) -> bytes:
    algorithm = _HASHES[hash_of(key, by)]
    match key:
        case ec.EllipticCurvePrivateKey():
            return key.sign(data, ec.ECDSA(algorithm))
        case rsa.RSAPrivateKey():
            return key.sign(data, padding.PKCS1v15(), algorithm)
        case _:
            return key.sign(data)


def public_of(key: PrivateKey) -> PublicKey:
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return PublicKey.from_pem(pem, "a key of the tests", EVERY)


def statement(artifact: bytes = ARTIFACT, **changes: Any) -> bytes:
    document = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "artifact", "digest": {"sha256": hashlib.sha256(artifact).hexdigest()}}],
        "predicateType": PROVENANCE,
        "predicate": {
            "buildDefinition": {
                "buildType": "https://example.org/build",
                "externalParameters": {"source": "somewhere"},
                "internalParameters": {},
                "resolvedDependencies": [],
            },
            "runDetails": {"builder": {"id": "https://example.org/builder"}, "metadata": {}},
        },
    }
    return render({**document, **changes})


@dataclass(frozen=True)
class Recipe:
    """Which bundle."""

    content: str = "dsse"
    """`dsse` or `message`."""
    signer: str = "p256"
    """A kind of key, or `certificate`."""
    entry: str | None = "hashedrekord 0.0.2"
    """Kind and version of the log entry; None for no log."""
    version: str = "0.3"
    stamped: bool = False
    payload: bytes | None = None
    payload_type: str = IN_TOTO
    key: str = "p256"
    """The kind of the key in a certificate."""
    hash: str | None = None
    """By which the key signs; None: by its kind's own."""
    repeated: int = 0
    """How often in base64 an `intoto` entry has the payload; 0: not at all."""

    def __str__(self) -> str:
        by = f"{self.signer} for {self.key}" if self.signer == "certificate" else self.signer
        by += f" with {self.hash}" if self.hash else ""
        more = (", timestamp" if self.stamped else "") + (", payload in it" if self.repeated else "")
        return f"v{self.version} {self.content} by {by}, {self.entry or 'no log'}{more}"


@dataclass(frozen=True)
class Made:
    """A bundle, its signer's key, and what it was made of."""

    document: Document
    key: PrivateKey
    public: PublicKey
    signature: bytes


@dataclass
class Instance:
    """A Sigstore instance of the tests."""

    folder: Path
    fulcio: Fulcio = field(default_factory=Fulcio)
    rekor1: Rekor1 = field(default_factory=Rekor1)
    rekor2: Rekor2 = field(default_factory=Rekor2)

    def __post_init__(self) -> None:
        self.tsa = Tsa(self.folder / "tsa")

    @property
    def root(self) -> TrustedRoot:
        return TrustedRoot(
            tlogs=(self.rekor1.log, self.rekor2.log),
            certificate_authorities=(self.fulcio.authority,),
            ctlogs=(self.fulcio.ct_log,),
            timestamp_authorities=(self.tsa.authority,),
        )

    def make(
        self,
        recipe: Recipe,
        artifact: bytes = ARTIFACT,
        *,
        key: PrivateKey | None = None,
        fulcio: Fulcio | None = None,
        **leaf: Any,
    ) -> Made:
        """A good bundle; `leaf` changes what Fulcio issues."""
        by_certificate = recipe.signer == "certificate"
        key = key or key_of(recipe.key if by_certificate else recipe.signer)
        public = public_of(key)
        payload = recipe.payload if recipe.payload is not None else statement(artifact)
        signed = pae(recipe.payload_type, payload) if recipe.content == "dsse" else artifact
        signature = sign(key, signed, recipe.hash)
        material: Document = {"publicKey": {"hint": public.hint}}
        certificate = None
        if by_certificate:
            certificate = (fulcio or self.fulcio).issue(key, **leaf)
            raw = {"rawBytes": b64(der(certificate))}
            material = {"certificate": raw}
            if not recipe.version.startswith("0.3"):
                material = {"x509CertificateChain": {"certificates": [raw]}}
        material["tlogEntries"] = []
        if recipe.entry:
            pem = certificate.public_bytes(Encoding.PEM) if certificate else public.pem.encode()
            raw_der = der(certificate) if certificate else None
            name = hash_of(key, recipe.hash)
            entry = self._entry(recipe, public, pem, raw_der, payload, signature, signed, name)
            material["tlogEntries"] = [entry]
        if recipe.stamped:
            stamp = b64(self.tsa.stamp(signature))
            material["timestampVerificationData"] = {"rfc3161Timestamps": [{"signedTimestamp": stamp}]}
        document: Document = {"mediaType": MEDIA_TYPES[recipe.version], "verificationMaterial": material}
        if recipe.content == "dsse":
            document["dsseEnvelope"] = {
                "payload": b64(payload),
                "payloadType": recipe.payload_type,
                "signatures": [{"sig": b64(signature)}],
            }
        else:
            name = hash_of(key, recipe.hash)
            digest = {"algorithm": _NAMES[name], "digest": b64(hashlib.new(name, artifact).digest())}
            document["messageSignature"] = {"messageDigest": digest, "signature": b64(signature)}
        return Made(document, key, public, signature)

    def _entry(
        self,
        recipe: Recipe,
        public: PublicKey,
        pem: bytes,
        certificate: bytes | None,
        payload: bytes,
        signature: bytes,
        signed: bytes,
        name: str,
    ) -> Document:
        digest = hashlib.new(name, signed).digest()
        verifier: Document = {"keyDetails": public.details_by(name)}
        if certificate is None:
            verifier["publicKey"] = {"rawBytes": b64(public.spki)}
        else:
            verifier["x509Certificate"] = {"rawBytes": b64(certificate)}
        sha256 = {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()}
        envelope = {"algorithm": "sha256", "value": "12" * 32}
        match recipe.entry:
            case "hashedrekord 0.0.2":
                data = {"algorithm": _NAMES[name], "digest": b64(digest)}
                about = {"content": b64(signature), "verifier": verifier}
                spec: Document = {"hashedRekordV002": {"data": data, "signature": about}}
            case "dsse 0.0.2":
                raw = {"algorithm": "SHA2_256", "digest": b64(hashlib.sha256(payload).digest())}
                about = {"content": b64(signature), "verifier": verifier}
                spec = {"dsseV002": {"payloadHash": raw, "signatures": [about]}}
            case "hashedrekord 0.0.1":
                spec = {
                    "data": {"hash": {"algorithm": name, "value": digest.hex()}},
                    "signature": {"content": b64(signature), "publicKey": {"content": b64(pem)}},
                }
            case "dsse 0.0.1":
                about = {"signature": b64(signature), "verifier": b64(pem)}
                spec = {"envelopeHash": envelope, "payloadHash": sha256, "signatures": [about]}
            case _:
                about = {"publicKey": b64(pem), "sig": b64(b64(signature).encode())}
                inner: Document = {"payloadType": recipe.payload_type, "signatures": [about]}
                if recipe.repeated:
                    once = b64(payload)
                    inner["payload"] = b64(once.encode()) if recipe.repeated == 2 else once
                spec = {"content": {"envelope": inner, "hash": envelope, "payloadHash": sha256}}
        kind, _, version = str(recipe.entry).partition(" ")
        log: Rekor1 | Rekor2 = self.rekor1
        if recipe.entry in ("hashedrekord 0.0.2", "dsse 0.0.2"):
            log = self.rekor2
        return log.entry(kind, version, spec)
