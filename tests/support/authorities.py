"""A certificate authority with its log, and a timestamp authority: small, and as real as it gets.

Certificates follow Fulcio's profile (sigstore/fulcio, `docs/certificate-specification.md`),
with an embedded signed certificate timestamp (RFC 6962, section 3). Timestamps are made by `openssl ts`.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

from orchestrator.log.trusted_root import Authority, LogInstance, Window

SUBJECT = "https://github.com/acme/app/.github/workflows/build.yml@refs/heads/main"
ISSUER = "https://ci.example.org"
SCT = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
ISSUER_V1, ISSUER_V2 = (x509.ObjectIdentifier(f"1.3.6.1.4.1.57264.1.{n}") for n in (1, 8))
LONG_AGO = Window(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(microsecond=0)


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def spki(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


@dataclass(frozen=True)
class Ca:
    """A root certificate and what it issues."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def new(cls, name: str) -> Ca:
        key = new_key()
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "tests"),
                x509.NameAttribute(NameOID.COMMON_NAME, name),
            ]
        )
        builder = _builder(
            subject, subject, key.public_key(), now() - dt.timedelta(days=1), dt.timedelta(3650)
        )
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_usage(ca=True), critical=True)
        return cls(key, _signed(builder, key, key))

    def issue(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        return _signed(builder, self.key, self.key)


@dataclass(frozen=True)
class Fulcio:
    """Issues certificates for ten minutes, and says so in a log."""

    ca: Ca = field(default_factory=lambda: Ca.new("fulcio"))
    ct_key: ec.EllipticCurvePrivateKey = field(default_factory=new_key)

    def issue(
        self,
        key: Any,
        *,
        subject: str | Sequence[x509.GeneralName] = SUBJECT,
        issuer: str = ISSUER,
        start: dt.datetime | None = None,
        purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.CODE_SIGNING,
        sct: str = "good",
        issuer_v2: str | None = None,
    ) -> x509.Certificate:
        """A leaf for a key, private or public. `sct` is `good`, `none`, or `forged` (by another log).

        A subject with an `@` and no scheme is an e-mail address, any other text a URI. `issuer_v2` is what
        the newer of the two extensions says, where it says something else.
        """
        public = key.public_key() if hasattr(key, "public_key") else key
        builder = _builder(
            x509.Name([]),
            self.ca.certificate.subject,
            public,
            start or now() - dt.timedelta(minutes=1),
            dt.timedelta(minutes=10),
        )
        builder = (
            builder.add_extension(_usage(ca=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(x509.SubjectAlternativeName(_names(subject)), critical=True)
            .add_extension(x509.UnrecognizedExtension(ISSUER_V1, issuer.encode()), critical=False)
            .add_extension(
                x509.UnrecognizedExtension(ISSUER_V2, _tagged(0x0C, (issuer_v2 or issuer).encode())),
                critical=False,
            )
        )
        if sct == "none":
            return self.ca.issue(builder)
        precertificate = self.ca.issue(builder).tbs_certificate_bytes
        by = self.ct_key if sct == "good" else new_key()
        timestamps = _tagged(0x04, self._sct(precertificate, by))
        return self.ca.issue(
            builder.add_extension(x509.UnrecognizedExtension(SCT, timestamps), critical=False)
        )

    def _sct(self, precertificate: bytes, by: ec.EllipticCurvePrivateKey) -> bytes:
        """A list of one signed certificate timestamp (RFC 6962, sections 3.2 and 3.3)."""
        moment = int(now().timestamp() * 1000)
        signed = (
            b"\0\0"
            + struct.pack(">QH", moment, 1)
            + hashlib.sha256(spki(self.ca.key)).digest()
            + len(precertificate).to_bytes(3, "big")
            + precertificate
            + b"\0\0"
        )
        signature = by.sign(signed, ec.ECDSA(hashes.SHA256()))
        log_id = hashlib.sha256(spki(self.ct_key)).digest()
        one = b"\0" + log_id + struct.pack(">QHHH", moment, 0, 0x0403, len(signature)) + signature
        return struct.pack(">HH", len(one) + 2, len(one)) + one

    @property
    def authority(self) -> Authority:
        chain = (der(self.ca.certificate),)
        return Authority("https://fulcio.example.org", "tests", "fulcio", chain, LONG_AGO)

    @property
    def ct_log(self) -> LogInstance:
        log_id = hashlib.sha256(spki(self.ct_key)).digest()
        details = "PKIX_ECDSA_P256_SHA_256"
        return LogInstance("https://ct.example.org", spki(self.ct_key), details, log_id, LONG_AGO)


def _names(subject: str | Sequence[x509.GeneralName]) -> Sequence[x509.GeneralName]:
    if not isinstance(subject, str):
        return subject
    if "@" in subject and "://" not in subject:
        return [x509.RFC822Name(subject)]
    return [x509.UniformResourceIdentifier(subject)]


_CONFIGURATION = """
[tsa]
default_tsa = t
[t]
serial = serial
signer_cert = tsa.pem
signer_key = tsa.key
signer_digest = sha256
default_policy = 1.3.6.1.4.1.57264.2
digests = sha256,sha384,sha512
ess_cert_id_alg = sha256
accuracy = secs:1
"""


class Tsa:
    """A timestamp authority in a folder of its own: `openssl ts` and a certificate for it."""

    def __init__(
        self,
        folder: Path,
        *,
        purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.TIME_STAMPING,
        window: Window = LONG_AGO,
    ) -> None:
        folder.mkdir(parents=True)
        self.folder, self.window, self.root = folder, window, Ca.new("tsa root")
        key = new_key()
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tsa")])
        builder = _builder(
            subject,
            self.root.certificate.subject,
            key.public_key(),
            now() - dt.timedelta(days=1),
            dt.timedelta(365),
        )
        builder = builder.add_extension(_usage(ca=False), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=True)
        self.certificate = self.root.issue(builder)
        (folder / "tsa.pem").write_bytes(self.certificate.public_bytes(Encoding.PEM))
        (folder / "tsa.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        (folder / "serial").write_text("01\n")
        (folder / "configuration").write_text(_CONFIGURATION)

    def stamp(self, data: bytes) -> bytes:
        """A response about these bytes, in DER."""
        asking = TimestampRequestBuilder().data(data).hash_algorithm(HashAlgorithm.SHA256)
        return self.reply(asking.build().as_bytes())

    def reply(self, query: bytes) -> bytes:
        """The response to a request (RFC 3161, section 2.4.1), in DER."""
        (self.folder / "query").write_bytes(query)
        self._openssl("-reply", "-config", "configuration", "-queryfile", "query", "-out", "reply")
        return (self.folder / "reply").read_bytes()

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", "ts", *arguments], cwd=self.folder, check=True, capture_output=True)

    @property
    def authority(self) -> Authority:
        chain = (der(self.certificate), der(self.root.certificate))
        return Authority("https://tsa.example.org", "tests", "tsa", chain, self.window)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: CertificatePublicKeyTypes,
    start: dt.datetime,
    length: dt.timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + length)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _signed(
    builder: x509.CertificateBuilder, issuer: ec.EllipticCurvePrivateKey, key: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key())
    return builder.add_extension(identifier, critical=False).sign(key, hashes.SHA256())


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _tagged(tag: int, data: bytes) -> bytes:
    """A value in DER, shorter than 256 bytes."""
    return bytes([tag]) + (bytes([len(data)]) if len(data) < 128 else bytes([0x81, len(data)])) + data
