"""Certificates of a Sigstore instance: the path, its time, the log's timestamp, whose it is.

sigstore-python is imported here and in chains.py alone, and only when there is a certificate to judge: it
costs 0.4 s.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from orchestrator.bundles import chains
from orchestrator.bundles.bundle import SigstoreBundle
from orchestrator.bundles.chains import in_short
from orchestrator.bundles.material import Certificates
from orchestrator.bundles.timestamps import Moment
from orchestrator.bundles.windows import in_use
from orchestrator.evidence.canonical import MalformedError
from orchestrator.ground.errors import TallyError
from orchestrator.keys.key import PublicKey
from orchestrator.log.trusted_root import TrustedRoot
from orchestrator.policy.signer import IdentitySigner
from orchestrator.policy.verdict import Code, Reason, Refused

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_ELSEWHERE = "judge it with a client of that kind of bundle; it was neither accepted nor refused"
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
    import sigstore._internal.sct
    import sigstore.models
    import sigstore.verify  # noqa: F401


def public_key(certificates: Certificates, what: str) -> PublicKey:
    """The key in the signer's certificate.

    Raises MalformedError; TallyError for a kind that is not judged.
    """
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from cryptography.x509 import load_der_x509_certificate

    place = f"the certificate of {what}"
    try:
        key = load_der_x509_certificate(certificates.leaf).public_key()
        spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except Exception as error:  # noqa: BLE001  an attacker's certificate: the library raises what it likes
        raise MalformedError(f"{place} is none: {in_short(error)}") from None
    try:
        found = PublicKey.from_der(spki, place)
    except TallyError as error:
        raise TallyError(
            f"{place} is for a key of a kind that is not judged here", hint=_ELSEWHERE
        ) from error
    if not found.kind.hashes:  # by no path that `cryptography` verifies (CA/Browser Forum, 7.1.3.1)
        raise TallyError(
            f"{place} is for an {found.kind.title} key, which is not judged here", hint=_ELSEWHERE
        )
    return found


def verify(
    bundle: SigstoreBundle, identity: Identity, root: TrustedRoot, moments: Sequence[Moment], what: str
) -> None:
    """The bundle's certificate is exactly this identity's, all else as `identify` has it. Raises the same."""
    found = identify(bundle, root, moments, what)
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
    return _named(_loaded(certificates.leaf, what), what)


def identify(
    bundle: SigstoreBundle, root: TrustedRoot, moments: Sequence[Moment], what: str
) -> IdentitySigner:
    """Whose certificate it is: the instance's, valid when it was used, and for one name.

    `root` is the instance's trusted root, of which those authorities and certificate transparency logs count
    that were in use; `moments` are all proven times of the signature, one at least, judged before, as the log
    entries were. A root that names authorities and no log of any kind is of an instance that
    has none, whose certificates have no timestamp of one.
    Raises MalformedError or Refused; TallyError when the root is none.
    """
    if not isinstance(bundle.signer, Certificates):
        raise MalformedError(f"{what} has no certificate")
    certificate = _loaded(bundle.signer.leaf, what)
    used = in_use(root, [each.time for each in moments], _certified(certificate, what))
    for who, given, left, out in (
        (
            "certificate authority",
            root.certificate_authorities,
            used.root.certificate_authorities,
            used.no_authorities,
        ),
        ("certificate transparency log", root.ctlogs, used.root.ctlogs, used.no_logs),
    ):
        if given and not left:
            told = "; ".join((f"{what}: no {who} of the trusted root was in use then", *out))
            raise Refused(Reason(Code.CERTIFICATE_INVALID, told))
    # 1. The path to an authority of the instance's, at every proven time (RFC 5280, section 6).
    # 2. The timestamp of a certificate transparency log (RFC 6962, section 3.2).
    # 3. What it is for: signing code (sigstore/fulcio, `docs/certificate-specification.md`).
    try:
        chain = chains.chain(certificate, used.root, moments)
        if root.ctlogs or not root.unlogged:
            chains.check_sct(certificate, chain, used.root)
        chains.check_purpose(certificate)
    except chains.BrokenError as error:
        out = used.no_logs if error.of_logs else used.no_authorities if error.of_authorities else ()
        raise Refused(Reason(Code.CERTIFICATE_INVALID, "; ".join((f"{what}: {error}", *out)))) from None
    # 4. Whose it is.
    return _named(certificate, what)


def _loaded(leaf: bytes, what: str) -> Certificate:
    from cryptography.x509 import load_der_x509_certificate

    try:
        return load_der_x509_certificate(leaf)
    except ValueError as error:
        raise MalformedError(f"the certificate of {what} is none: {in_short(error)}") from None


def _certified(certificate: Certificate, what: str) -> list[datetime]:
    """When certificate transparency logs say that they had the certificate (RFC 6962, 3.2 and 3.3); UTC.

    None where it has no such timestamp, which is refused later. Raises Refused. Proves nothing yet.
    """
    from cryptography import x509

    kinds = (x509.PrecertificateSignedCertificateTimestamps, x509.SignedCertificateTimestamps)
    try:
        return [
            each.timestamp.replace(tzinfo=UTC)
            for extension in [each.value for each in certificate.extensions]
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
