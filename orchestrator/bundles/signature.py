"""The signature of a bundle: by the key that it must be by, over exactly the bytes in question."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.bundles import untrusted
from orchestrator.bundles.entry_body import Logged
from orchestrator.bundles.material import Certificates, KeyHint
from orchestrator.ground.errors import TallyError
from orchestrator.ground.values import dataclass
from orchestrator.keys.dsse import Envelope
from orchestrator.keys.key import PublicKey
from orchestrator.policy.verdict import Code, Reason, Refused

if TYPE_CHECKING:  # a release by a key needs none of what these import
    from orchestrator.bundles.artifact import Artifact
    from orchestrator.bundles.bundle import MessageSignature, SigstoreBundle
    from orchestrator.bundles.certificates import Identity

_SHA2 = ("sha256", "sha384", "sha512")


def key_of(signer: PublicKey | Identity, bundle: SigstoreBundle, what: str) -> PublicKey:
    """The key that must have signed: the one that is trusted, or the certificate's.

    Raises Refused or MalformedError; TallyError for a certificate for a key that is not judged here.
    """
    found = bundle.signer
    if isinstance(signer, PublicKey):
        if isinstance(found, Certificates):
            raise Refused(untrusted.by_a_certificate(what, found, signer))
        return signer
    if isinstance(found, KeyHint):
        raise Refused(untrusted.by_a_key(what, found.hint, signer))
    from orchestrator.bundles import certificates

    return certificates.public_key(found, what)


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature that holds."""

    signature: bytes
    by: str | None
    """The hash whose digest is signed (`hashlib`'s name); None where the message itself is."""


def verify(bundle: SigstoreBundle, key: PublicKey, artifact: Artifact, what: str) -> Signed:
    """The bundle's one signature, which holds: over the envelope (DSSE, protocol.md) or the artifact itself.

    Raises Refused or MalformedError; TallyError when more is needed of the artifact than is known, and for a
    pair of key and hash that is not judged here.
    """
    content = bundle.content
    if isinstance(content, Envelope):
        if not content.signatures:
            raise Refused(Reason(Code.UNSIGNED, f"{what} has no signature"))
        signature = content.signatures[0].sig
        found = _over_envelope(content, key, signature)
    else:
        _identified(content, key, artifact, what)
        signature = content.signature
        found = _over(artifact, key, signature, content.algorithm)
    if found is not None:
        return found
    _refuse_unjudged(content, key, signature, artifact, what)
    if isinstance(bundle.signer, KeyHint) and bundle.signer.hint != key.hint:
        raise Refused(untrusted.by_another_key(what, bundle.signer.hint, key))
    raise Refused(Reason(Code.SIGNATURE_INVALID, f"the signature of {what} is not over what it should be"))


def logged(bundle: SigstoreBundle, key: PublicKey, signed: Signed, artifact: Artifact) -> Logged:
    """What a log entry of this bundle has to be about."""
    certificate = bundle.signer.leaf if isinstance(bundle.signer, Certificates) else None
    if isinstance(bundle.content, Envelope):
        return logged_envelope(bundle.content, key, signed.signature, certificate, signed.by)
    digest = None if signed.by is None else artifact.digest(signed.by)
    details = key.details_by(signed.by)
    return Logged(signed.signature, certificate, key.spki, details, signed.by, None, digest)


def logged_envelope(
    envelope: Envelope,
    key: PublicKey,
    signature: bytes,
    certificate: bytes | None = None,
    by: str | None = None,
) -> Logged:
    """The same of an envelope by a key, or by the key of a certificate in DER.

    `by` is the hash whose digest was signed; None: the first of the key's kind.
    """
    name = by or key.kind.hash
    digest = None if name is None else envelope.digest(name)
    return Logged(signature, certificate, key.spki, key.details_by(name), name, envelope, digest)


def _identified(content: MessageSignature, key: PublicKey, artifact: Artifact, what: str) -> None:
    """The digest in the bundle is the artifact's, by a hash that such keys sign, if they sign one."""
    digest = artifact.digest(content.algorithm)
    if digest is not None and digest != content.digest:
        raise Refused(
            Reason(
                Code.DIGEST_MISMATCH,
                f"{what} is about a file with {content.algorithm}:{content.digest.hex()}, and "
                + _having(artifact, f"{content.algorithm}:{digest.hex()}"),
            )
        )
    if key.kind.hashes and content.algorithm not in key.kind.hashes:
        raise _unjudged(key, content.algorithm, what)


def _having(artifact: Artifact, digest: str) -> str:
    """What was measured of the artifact; one that is known by its digest alone is that digest."""
    return f"not with {digest}" if artifact.name == digest else f"{artifact.name} has {digest}"


def _over_envelope(envelope: Envelope, key: PublicKey, signature: bytes) -> Signed | None:
    """An envelope does not say by which hash it is signed: each of the key's kind is tried."""
    if not key.kind.hashes:
        return Signed(signature, None) if key.verifies(signature, envelope.signed_bytes) else None
    for name in key.kind.hashes:
        if key.verifies_digest(signature, envelope.digest(name), name):
            return Signed(signature, name)
    return None


def _over(artifact: Artifact, key: PublicKey, signature: bytes, named: str) -> Signed | None:
    """Whether the key's owner signed the artifact itself; `named` is the hash that the bundle names it by."""
    if not key.kind.hashes:
        from orchestrator.bundles.artifact import ArtifactFile

        if not isinstance(artifact, ArtifactFile):
            raise TallyError(
                "an Ed25519 signature is over the file itself, not over its digest", hint="name the file"
            )
        with artifact.mapped() as data:
            return Signed(signature, None) if key.verifies(signature, data) else None
    unknown = False
    for name in sorted(key.kind.hashes, key=lambda each: each != named):
        digest = artifact.digest(name)
        if digest is not None and key.verifies_digest(signature, digest, name):
            return Signed(signature, name)
        unknown = unknown or (name == named and digest is None)
    if unknown:
        raise TallyError(f"the key signs {named}, and only a sha256 is known", hint="name the file")
    return None


def _refuse_unjudged(
    content: Envelope | MessageSignature, key: PublicKey, signature: bytes, artifact: Artifact, what: str
) -> None:
    """Raises TallyError when the signature does hold, in a way that is not judged here."""
    if not key.kind.hashes:
        return
    if isinstance(content, Envelope):
        found = {name: content.digest(name) for name in _SHA2}
    else:
        found = {name: digest for name in _SHA2 if (digest := artifact.digest(name)) is not None}
    if (how := key.unjudged(signature, found)) is not None:
        raise _unjudged(key, how, what)


def _unjudged(key: PublicKey, how: str, what: str) -> TallyError:
    judged = " or ".join(key.kind.hashes)
    return TallyError(
        f"{what} is by a {key.kind.title} key with {how}, a pair that is not judged here",
        hint=f"with such a key, {judged} is; it was neither accepted nor refused: ask a client that takes it",
    )
