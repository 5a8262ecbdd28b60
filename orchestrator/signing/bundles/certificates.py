"""Certificates of a Sigstore instance, judged by sigstore-python: the chain, its time, the SCT, the identity.

The only module that imports sigstore, and only when there is a certificate to judge: it costs 0.4 s.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.digest import Sha256
from orchestrator.errors import TallyError
from orchestrator.evidence.canonical import MalformedError
from orchestrator.policy.verdict import Code, Reason, Refused
from orchestrator.signing.bundles.bundle import Certificates, SigstoreBundle
from orchestrator.signing.dsse import Envelope
from orchestrator.signing.keys import PublicKey
from orchestrator.signing.kinds import Kind

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from sigstore.models import TrustedRoot

_ENVELOPES = frozenset({("hashedrekord", "0.0.2"), ("dsse", "0.0.1")})
_MESSAGES = frozenset({("hashedrekord", "0.0.2"), ("hashedrekord", "0.0.1")})
"""The entries that sigstore-python takes."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who must have signed: a certificate's subject alternative name, and the issuer that vouched for it."""

    subject: str
    issuer: str


def public_key(certificates: Certificates, what: str) -> PublicKey:
    """The key in the signer's certificate. Raises MalformedError."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from cryptography.x509 import load_der_x509_certificate

    place = f"the certificate of {what}"
    try:
        key = load_der_x509_certificate(certificates.leaf).public_key()
        return PublicKey.from_der(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), place)
    except TallyError as error:
        raise MalformedError(error.message) from None
    except (ValueError, UnsupportedAlgorithm) as error:
        raise MalformedError(f"{place} is none: {error}") from None


def verify(bundle: SigstoreBundle, identity: Identity, root: bytes, artifact: Sha256, what: str) -> None:
    """Whether the certificate is the instance's, was valid when it was used, and is of exactly this identity.

    `root` is the instance's trusted root as a file's bytes. Raises Refused; TallyError when sigstore-python
    cannot judge a bundle of this kind, or the root is none.
    """
    from sigstore.errors import Error, VerificationError
    from sigstore.hashes import Hashed
    from sigstore.models import Bundle
    from sigstore.verify import Verifier
    from sigstore.verify import policy as policies

    _judgeable(bundle, what)

    class Exactly:
        """sigstore-python's own check of the identity, told from its other checks."""

        def verify(self, cert: Certificate) -> None:
            try:
                policies.Identity(identity=identity.subject, issuer=identity.issuer).verify(cert)
            except VerificationError as error:
                sentence = f"{what} is by somebody else: {_sentence(error)}"
                raise Refused(Reason(Code.IDENTITY_MISMATCH, sentence)) from None

    try:
        verifier = Verifier(trusted_root=_root(root))
    except (Error, ValueError) as error:
        raise TallyError(f"the trusted root cannot be used: {_sentence(error)}") from error
    try:
        parsed = Bundle.from_json(bundle.data)
        if isinstance(bundle.content, Envelope):
            signed = verifier.verify_dsse(parsed, Exactly())
            if signed != (bundle.content.payload_type, bundle.content.payload):
                raise MalformedError(f"{what} is not what sigstore-python read in it")
        else:
            hashed = Hashed.model_validate({"algorithm": "SHA2_256", "digest": bytes.fromhex(artifact.hex)})
            verifier.verify_artifact(hashed, parsed, Exactly())
    except Refused:
        raise
    except Error as error:
        raise Refused(Reason(Code.CERTIFICATE_INVALID, f"{what}: {_sentence(error)}")) from None
    except Exception as error:  # noqa: BLE001  whatever else an attacker's certificate makes of these libraries
        raise Refused(
            Reason(Code.CERTIFICATE_INVALID, f"{what}: its certificate cannot be read: {_sentence(error)}")
        ) from None


def public_root() -> bytes:
    """The trusted root of Sigstore's public instance, as of now. Raises TallyError without a network."""
    from sigstore.errors import Error
    from sigstore.models import ClientTrustConfig

    try:
        root = ClientTrustConfig.production().trusted_root
    except (Error, OSError) as error:
        raise TallyError(
            f"the trusted root of Sigstore's public instance cannot be fetched: {_sentence(error)}",
            hint="give the instance's trusted_root.json with --trusted-root; then no network is needed",
        ) from error
    # sigstore-python gives its bytes in no other way
    return root._inner.to_json().encode()  # noqa: SLF001


def _root(data: bytes) -> TrustedRoot:
    from sigstore.models import TrustedRoot

    with tempfile.NamedTemporaryFile(suffix=".json") as file:  # it reads files alone
        file.write(data)
        file.flush()
        return TrustedRoot.from_file(file.name)


def _judgeable(bundle: SigstoreBundle, what: str) -> None:
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


def _sentence(error: Exception) -> str:
    """What an error says, in one line that ends."""
    return " ".join(str(error).split())[:300] or type(error).__name__
