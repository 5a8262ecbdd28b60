"""The signature of a bundle: by the key that it must be by, over exactly the bytes in question."""

from __future__ import annotations

from orchestrator.bundles import certificates
from orchestrator.bundles.artifact import Artifact, ArtifactFile
from orchestrator.bundles.bundle import Certificates, KeyHint, MessageSignature, SigstoreBundle
from orchestrator.bundles.certificates import Identity
from orchestrator.bundles.entry_body import Logged
from orchestrator.evidence.canonical import MalformedError
from orchestrator.ground.errors import TallyError
from orchestrator.keys.dsse import Envelope
from orchestrator.keys.key import PublicKey
from orchestrator.policy.verdict import Code, Reason, Refused


def key_of(signer: PublicKey | Identity, bundle: SigstoreBundle, what: str) -> PublicKey:
    """The key that must have signed: the one that is trusted, or the certificate's. Raises Refused."""
    match signer, bundle.signer:
        case PublicKey() as key, KeyHint():
            return key
        case Identity(), Certificates() as found:
            return certificates.public_key(found, what)
        case PublicKey(), Certificates():
            raise Refused(Reason(Code.UNTRUSTED_SIGNER, f"{what} is by a certificate, not by a key"))
        case _:
            raise Refused(Reason(Code.UNTRUSTED_SIGNER, f"{what} is by a key, not by a certificate"))


def verify(bundle: SigstoreBundle, key: PublicKey, artifact: Artifact, what: str) -> bytes:
    """The bundle's one signature, which holds: over the envelope (DSSE, protocol.md) or the artifact itself.

    Raises Refused or MalformedError; TallyError when more is needed of the artifact than is known.
    """
    content = bundle.content
    if isinstance(content, Envelope):
        if not content.signatures:
            raise Refused(Reason(Code.UNSIGNED, f"{what} has no signature"))
        signature = content.signatures[0].sig
        holds = key.verifies(signature, content.signed_bytes)
    else:
        _identified(content, key, artifact, what)
        signature = content.signature
        holds = _over(artifact, key, signature)
    if holds:
        return signature
    if isinstance(bundle.signer, KeyHint) and bundle.signer.hint != key.hint:
        raise Refused(Reason(Code.UNTRUSTED_SIGNER, f"{what} is not signed by the key that you trust"))
    raise Refused(Reason(Code.SIGNATURE_INVALID, f"the signature of {what} is not over what it should be"))


def logged(bundle: SigstoreBundle, key: PublicKey, signature: bytes, artifact: Artifact) -> Logged:
    """What a log entry of this bundle has to be about."""
    certificate = bundle.signer.leaf if isinstance(bundle.signer, Certificates) else None
    if isinstance(bundle.content, Envelope):
        return logged_envelope(bundle.content, key, signature, certificate)
    digest = None if key.kind.hash is None else artifact.digest(key.kind.hash)
    return Logged(signature, certificate, key.spki, key.details, key.kind.hash, None, digest)


def logged_envelope(
    envelope: Envelope, key: PublicKey, signature: bytes, certificate: bytes | None = None
) -> Logged:
    """The same of an envelope by a key, or by the key of a certificate in DER."""
    digest = None
    if key.kind.hash is not None:
        digest = envelope.digest(key.kind.hash)
    return Logged(signature, certificate, key.spki, key.details, key.kind.hash, envelope, digest)


def _identified(content: MessageSignature, key: PublicKey, artifact: Artifact, what: str) -> None:
    """The digest in the bundle is the artifact's, by the hash that the key signs if it signs one."""
    if key.kind.hash is not None and content.algorithm != key.kind.hash:
        raise MalformedError(f"{what} names its artifact by {content.algorithm}, and signs {key.kind.hash}")
    digest = artifact.digest(content.algorithm)
    if digest is not None and digest != content.digest:
        raise Refused(
            Reason(
                Code.DIGEST_MISMATCH,
                f"{what} is about a file with {content.algorithm}:{content.digest.hex()}, and {artifact.name}"
                f" has {content.algorithm}:{digest.hex()}",
            )
        )


def _over(artifact: Artifact, key: PublicKey, signature: bytes) -> bool:
    """Whether the key's owner signed the artifact itself."""
    if key.kind.hash is None:
        if not isinstance(artifact, ArtifactFile):
            raise TallyError(
                "an Ed25519 signature is over the file itself, not over its digest", hint="name the file"
            )
        with artifact.mapped() as data:
            return key.verifies(signature, data)
    digest = artifact.digest(key.kind.hash)
    if digest is None:
        raise TallyError(f"the key signs {key.kind.hash}, and only a sha256 is known", hint="name the file")
    return key.verifies_digest(signature, digest)
