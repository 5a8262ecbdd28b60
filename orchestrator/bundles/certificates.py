"""Certificates of a Sigstore instance, judged by sigstore-python: the chain, its time, the SCT, the identity.

The only module that imports sigstore, and only when there is a certificate to judge: it costs 0.4 s.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from orchestrator.bundles.bundle import Certificates, SigstoreBundle
from orchestrator.bundles.timestamps import Moment
from orchestrator.bundles.windows import in_use
from orchestrator.evidence.canonical import MalformedError
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.keys.dsse import Envelope
from orchestrator.keys.key import PublicKey
from orchestrator.keys.kinds import Kind
from orchestrator.log.trusted_root import TrustedRoot
from orchestrator.policy.signer import IdentitySigner
from orchestrator.policy.verdict import Code, Reason, Refused

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from sigstore import models
    from sigstore.verify import Verifier
    from sigstore.verify.policy import VerificationPolicy

_ENVELOPES = frozenset({("hashedrekord", "0.0.2"), ("dsse", "0.0.1")})
_MESSAGES = frozenset({("hashedrekord", "0.0.2"), ("hashedrekord", "0.0.1")})
"""The entries that sigstore-python takes."""
_ISSUER = "1.3.6.1.4.1.57264.1.1"
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[!-~]+")
_ADDRESS = re.compile(r"[!-?A-~]+@[!-?A-~]+")
"""Printable ASCII, one `@`; and no URI: a name of the one kind cannot pass for one of the other."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who must have signed: a certificate's subject alternative name, and the issuer that vouched for it."""

    subject: str
    issuer: str


def prepare() -> None:
    """Import what judging takes, before many processes would each."""
    import sigstore.verify  # noqa: F401


def public_key(certificates: Certificates, what: str) -> PublicKey:
    """The key in the signer's certificate. Raises MalformedError."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from cryptography.x509 import load_der_x509_certificate

    place = f"the certificate of {what}"
    try:
        key = load_der_x509_certificate(certificates.leaf).public_key()
        return PublicKey.from_der(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), place)
    except TallyError as error:
        raise MalformedError(error.message) from None
    except Exception as error:  # noqa: BLE001  an attacker's certificate: the library raises what it likes
        raise MalformedError(f"{place} is none: {error}") from None


def verify(
    bundle: SigstoreBundle,
    identity: Identity,
    root: TrustedRoot,
    moments: Sequence[Moment],
    artifact: Sha256,
    what: str,
) -> None:
    """The bundle's certificate is exactly this identity's, all else as `identify` has it. Raises the same."""
    found = identify(bundle, root, moments, artifact, what)
    if (found.subject, found.issuer) != (identity.subject, identity.issuer):
        sentence = f"{what} is by somebody else: {found}, not {identity.subject} ({identity.issuer})"
        raise Refused(Reason(Code.IDENTITY_MISMATCH, sentence))


def is_address(text: str) -> bool:
    """Whether a text can be an e-mail address in a certificate."""
    return _ADDRESS.fullmatch(text) is not None and _URI.fullmatch(text) is None


def is_name(text: str) -> bool:
    """Whether a text can be whom a certificate names."""
    return _URI.fullmatch(text) is not None or is_address(text)


def claimed(certificates: Certificates, what: str) -> IdentitySigner:
    """Whom a certificate names. Proves nothing. Raises MalformedError or Refused."""
    from cryptography.x509 import load_der_x509_certificate

    try:
        certificate = load_der_x509_certificate(certificates.leaf)
    except ValueError as error:
        raise MalformedError(f"the certificate of {what} is none: {error}") from None
    return _named(certificate, what)


def identify(
    bundle: SigstoreBundle, root: TrustedRoot, moments: Sequence[Moment], artifact: Sha256, what: str
) -> IdentitySigner:
    """Whose certificate it is: the instance's, valid when it was used, and for one name.

    `root` is the instance's trusted root, of which those authorities and certificate transparency logs count
    that were in use; `moments` are all proven times of the signature. Raises Refused; TallyError when
    sigstore-python cannot judge a bundle of this kind, or the root is none.
    """
    found: list[IdentitySigner] = []

    class Whoever:
        def verify(self, cert: Certificate) -> None:
            found.append(_named(cert, what))

    refuse_unjudgeable(bundle, what)
    used = in_use(root, [each.time for each in moments], _certified(bundle, what))
    left_out = "".join(f"; {each}" for each in used.left_out)
    for who, given, left in (
        ("certificate authority", root.certificate_authorities, used.root.certificate_authorities),
        ("certificate transparency log", root.ctlogs, used.root.ctlogs),
    ):
        if given and not left:
            told = f"{what}: no {who} of the trusted root was in use then{left_out}"
            raise Refused(Reason(Code.CERTIFICATE_INVALID, told))
    try:
        _verify(bundle, Whoever(), used.root.render(), artifact, what)
    except Refused as refused:
        raise Refused(
            *(replace(each, sentence=each.sentence + left_out) for each in refused.reasons)
        ) from None
    (identity,) = found
    return identity


def _certified(bundle: SigstoreBundle, what: str) -> list[datetime]:
    """When certificate transparency logs say that they had the certificate (RFC 6962, 3.2 and 3.3); UTC.

    None where it has no such timestamp, which sigstore-python refuses. Raises Refused. Proves nothing yet.
    """
    from cryptography import x509

    if not isinstance(bundle.signer, Certificates):
        raise MalformedError(f"{what} has no certificate")
    kinds = (x509.PrecertificateSignedCertificateTimestamps, x509.SignedCertificateTimestamps)
    try:
        extensions = [each.value for each in x509.load_der_x509_certificate(bundle.signer.leaf).extensions]
        return [
            each.timestamp.replace(tzinfo=UTC)
            for extension in extensions
            if isinstance(extension, kinds)
            for each in extension
        ]
    except Exception as error:  # noqa: BLE001  an attacker's certificate: the library raises what it likes
        told = f"{what}: its certificate cannot be read: {in_short(error)}"
        raise Refused(Reason(Code.CERTIFICATE_INVALID, told)) from None


def _named(certificate: Certificate, what: str) -> IdentitySigner:
    """The one name in a certificate, a URI or an e-mail address, and its issuer. Proves nothing yet.

    Specification: sigstore/fulcio, `docs/oid-info.md`: the issuer is in 1.3.6.1.4.1.57264.1.1 as it is, and
    in .8 as a string in DER. Raises Refused where they differ, or there is more than one name.
    """
    from cryptography import x509
    from sigstore.errors import VerificationError
    from sigstore.verify import policy as policies

    def refused(why: str) -> Refused:
        return Refused(Reason(Code.CERTIFICATE_INVALID, f"the certificate of {what} {why}"))

    try:
        names = list(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
        raw = certificate.extensions.get_extension_for_oid(x509.ObjectIdentifier(_ISSUER)).value
        issuer = raw.value.decode() if isinstance(raw, x509.UnrecognizedExtension) else ""
        if any(each.oid == policies.OIDCIssuerV2.oid for each in certificate.extensions):
            policies.OIDCIssuerV2(issuer).verify(certificate)
    except VerificationError as error:
        raise refused(f"names two issuers: {in_short(error)}") from None
    except (ValueError, x509.ExtensionNotFound) as error:
        raise refused(f"does not say whose it is: {in_short(error)}") from None
    match names:
        case [x509.UniformResourceIdentifier(value=subject)] if _URI.fullmatch(subject):
            pass
        case [x509.RFC822Name(value=subject)] if is_address(subject):
            pass
        case _:
            raise refused(f"is not for one URI or one e-mail address: {in_short(ValueError(names))}")
    if not issuer or not issuer.isprintable():
        raise refused(f"has an issuer that is none: {issuer!r}")
    return IdentitySigner(issuer, subject)


def _verify(
    bundle: SigstoreBundle, policy: VerificationPolicy, root: bytes, artifact: Sha256, what: str
) -> None:
    from sigstore.errors import Error
    from sigstore.hashes import Hashed
    from sigstore.models import Bundle

    verifier = _verifier(root)
    try:
        parsed = Bundle.from_json(bundle.data)
        if isinstance(bundle.content, Envelope):
            signed = verifier.verify_dsse(parsed, policy)
            if signed != (bundle.content.payload_type, bundle.content.payload):
                raise MalformedError(f"{what} is not what sigstore-python read in it")
        else:
            hashed = Hashed.model_validate({"algorithm": "SHA2_256", "digest": bytes.fromhex(artifact.hex)})
            verifier.verify_artifact(hashed, parsed, policy)
    except Refused:
        raise
    except Error as error:
        raise Refused(Reason(Code.CERTIFICATE_INVALID, f"{what}: {in_short(error)}")) from None
    except Exception as error:  # noqa: BLE001  whatever else an attacker's certificate makes of these libraries
        raise Refused(
            Reason(Code.CERTIFICATE_INVALID, f"{what}: its certificate cannot be read: {in_short(error)}")
        ) from None


@lru_cache(maxsize=8)
def _verifier(root: bytes) -> Verifier:
    """Made once for many bundles. Raises TallyError."""
    from sigstore.errors import Error
    from sigstore.verify import Verifier

    try:
        return Verifier(trusted_root=_root(root))
    except (Error, ValueError, OSError) as error:
        raise TallyError(f"the trusted root cannot be used: {in_short(error)}") from error


def _root(data: bytes) -> models.TrustedRoot:
    import os

    from sigstore import models

    # it reads files alone; this one is in memory, and needs no folder that can be written
    with os.fdopen(os.memfd_create("trusted-root"), "wb") as file:
        file.write(data)
        file.flush()
        return models.TrustedRoot.from_file(f"/proc/self/fd/{file.fileno()}")


def refuse_unjudgeable(bundle: SigstoreBundle, what: str) -> None:
    """Raises TallyError for what sigstore-python would not take from anybody."""
    hint = "judge it with a client of that kind of bundle; it was neither accepted nor refused"
    if isinstance(bundle.signer, Certificates) and public_key(bundle.signer, what).kind is not Kind.P256:
        raise TallyError(f"{what} is by a certificate for another key than ECDSA P-256", hint=hint)
    taken = _ENVELOPES if isinstance(bundle.content, Envelope) else _MESSAGES
    for entry in bundle.entries:
        if (entry.kind, entry.version) not in taken:
            raise TallyError(
                f"{what} is by a certificate, and its log entry is a {entry.kind} {entry.version}", hint=hint
            )
        if entry.proof is None:
            raise TallyError(
                f"{what} is by a certificate, and has a promise but no inclusion proof", hint=hint
            )


def in_short(error: BaseException) -> str:
    """What an error says, in one line that ends."""
    return " ".join(str(error).split())[:300] or type(error).__name__
