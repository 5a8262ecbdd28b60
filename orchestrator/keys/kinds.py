"""Kinds of keys: how each signs, and what in-toto and Sigstore call it.

Algorithms: https://github.com/sigstore/architecture-docs/blob/main/algorithm-registry.md; in-toto's key
types and schemes are securesystemslib's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, assert_never

from orchestrator.ground.errors import TallyError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.hashes import HashAlgorithm

    Key = EllipticCurvePublicKey | Ed25519PublicKey | RSAPublicKey

_RSA_SIZES = (2048, 3072, 4096)
"""In bits; the algorithm registry has no others."""


class Kind(Enum):
    """What a key is. The value is what `tally keys` calls it."""

    P256 = "ecdsa-p256"
    P384 = "ecdsa-p384"
    P521 = "ecdsa-p521"
    ED25519 = "ed25519"
    RSA = "rsa"

    @property
    def title(self) -> str:
        """What people call it."""
        return _TITLES[self]

    @property
    def hashes(self) -> tuple[str, ...]:
        """The hashes (as `hashlib` names them) whose digests it signs; none where the message itself is.

        The registry's own comes first. Many clients sign sha256 with the larger keys, too, and
        `sigstore_common.proto` has a name for each of these pairs.
        """
        return _HASHES[self]

    @property
    def hash(self) -> str | None:
        """The first of them; None where the message itself is signed."""
        return next(iter(self.hashes), None)


_HASHES: Mapping[Kind, tuple[str, ...]] = {
    Kind.P256: ("sha256",),
    Kind.P384: ("sha384", "sha256"),
    Kind.P521: ("sha512", "sha256"),
    Kind.ED25519: (),
    Kind.RSA: ("sha256",),
}
_TITLES = {
    Kind.P256: "ECDSA P-256",
    Kind.P384: "ECDSA P-384",
    Kind.P521: "ECDSA P-521",
    Kind.ED25519: "Ed25519",
    Kind.RSA: "RSA",
}
_CURVES = {"secp256r1": Kind.P256, "secp384r1": Kind.P384, "secp521r1": Kind.P521}
OURS = frozenset({Kind.P256, Kind.ED25519})
"""What releases are signed with."""
EVERY = frozenset(Kind)


def kind_of(key: object) -> Kind | None:
    """The kind of one of `cryptography`'s public or private keys; None for any other, and for weak ones."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    match key:
        case ec.EllipticCurvePublicKey() | ec.EllipticCurvePrivateKey():
            return _CURVES.get(key.curve.name)
        case ed25519.Ed25519PublicKey() | ed25519.Ed25519PrivateKey():
            return Kind.ED25519
        case rsa.RSAPublicKey() | rsa.RSAPrivateKey():
            return Kind.RSA if key.key_size in _RSA_SIZES else None
        case _:
            return None


def details(kind: Kind, key: Key, by: str | None = None) -> str:
    """Sigstore's `PublicKeyDetails` of a key: the key's encoding and how it signs, by one of its hashes."""
    match kind:
        case Kind.P256 | Kind.P384 | Kind.P521:
            name = str(by or kind.hash).upper().replace("SHA", "SHA_")
            return f"PKIX_ECDSA_{kind.name}_{name}"
        case Kind.ED25519:
            return "PKIX_ED25519"
        case Kind.RSA:
            return f"PKIX_RSA_PKCS1V15_{getattr(key, 'key_size', 0)}_SHA256"
        case _:
            assert_never(kind)


def intoto_key(kind: Kind, pem: str, key: Key) -> tuple[str, str, str]:
    """What securesystemslib has of a key: type, scheme, and the public value."""
    match kind:
        case Kind.P256:
            return "ecdsa", "ecdsa-sha2-nistp256", pem
        case Kind.P384:
            return "ecdsa", "ecdsa-sha2-nistp384", pem
        case Kind.P521:
            return "ecdsa", "ecdsa-sha2-nistp521", pem
        case Kind.ED25519:
            return "ed25519", "ed25519", raw_ed25519(key).hex()
        case Kind.RSA:
            return "rsa", "rsassa-pss-sha256", pem
        case _:
            assert_never(kind)


def raw_ed25519(key: Key) -> bytes:
    """An Ed25519 key's 32 bytes (RFC 8032, section 5.1.5)."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if not isinstance(key, Ed25519PublicKey):
        raise TypeError("only Ed25519 keys are 32 bytes")
    return key.public_bytes_raw()


def verifies(kind: Kind, key: Key, signature: bytes, data: bytes | memoryview) -> bool:
    """Whether the key's owner signed exactly `data`.

    ECDSA signatures are DER (RFC 3279, section 2.2.3), Ed25519's pure (RFC 8032), RSA's PKCS #1 v1.5.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if isinstance(key, Ed25519PublicKey):
        try:
            key.verify(signature, data)
        except InvalidSignature:
            return False
        return True
    digest = hashlib.new(str(kind.hash), data).digest()
    return verifies_digest(kind, key, signature, digest)


def verifies_digest(kind: Kind, key: Key, signature: bytes, digest: bytes, by: str | None = None) -> bool:
    """The same for data of which the digest is at hand, by `kind.hash` or another that is said.

    Raises TallyError for Ed25519.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

    try:
        if isinstance(key, EllipticCurvePublicKey):
            key.verify(signature, digest, _ecdsa(by or kind.hash))
        elif kind is Kind.RSA:
            from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
            from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

            rsa: RSAPublicKey = key  # type: ignore[assignment]  # by its kind
            rsa.verify(signature, digest, PKCS1v15(), Prehashed(_algorithm(by or kind.hash)))
        else:
            raise TallyError(
                "an Ed25519 signature is over the file itself, not over its digest", hint="name the file"
            )
    except InvalidSignature:
        return False
    return True


def unjudged(kind: Kind, key: Key, signature: bytes, digests: Mapping[str, bytes]) -> str | None:
    """The way in which a signature holds that no verifier here goes by: a hash, or RSA's other padding.

    `digests` are those of the data, by `hashlib`'s names. For saying what a signature is; never for a yes.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

    for name, digest in digests.items() if kind.hashes else ():
        if name not in kind.hashes and verifies_digest(kind, key, signature, digest, name):
            return name
        if isinstance(key, RSAPublicKey):
            try:
                padding = PSS(MGF1(_algorithm(name)), PSS.AUTO)
                key.verify(signature, digest, padding, Prehashed(_algorithm(name)))
                return f"{name} and PSS"
            except (InvalidSignature, ValueError):
                continue
    return None


@cache
def _ecdsa(name: str | None) -> ECDSA:
    """ECDSA over a digest that is at hand."""
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

    class Checked(ECDSA):
        """For checking alone: ECDSA's own beginning imports every cipher, which one way of signing needs."""

        def __init__(self) -> None:
            self._by = Prehashed(_algorithm(name))

        @property
        def algorithm(self) -> Prehashed:
            return self._by

        @property
        def deterministic_signing(self) -> bool:
            return False

    return Checked()


def _algorithm(name: str | None) -> HashAlgorithm:
    from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512

    match name:
        case "sha384":
            return SHA384()
        case "sha512":
            return SHA512()
        case _:
            return SHA256()


def one_form(kind: Kind, signature: bytes) -> bytes:
    """A signature that holds, in the one form that we write: ECDSA has others that hold as well.

    Where (r, s) holds, (r, n - s) does; the smaller s is written (SEC 1, section 4.1.3), in DER.
    """
    if kind is not Kind.P256:
        return signature
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

    r, s = decode_dss_signature(signature)
    return encode_dss_signature(r, min(s, _ORDER_OF_P256 - s))


_ORDER_OF_P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
