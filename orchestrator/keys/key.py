"""Keys: ECDSA on P-256 with SHA-256, which every client we know of accepts, and Ed25519.

Private keys are PKCS#8 PEM (RFC 5958), public ones SubjectPublicKeyInfo PEM (RFC 5280, section 4.1).
Strangers' signatures are checked with P-384, P-521 and RSA keys too.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.ground.errors import TallyError
from orchestrator.ground.interruption import INTERRUPTION
from orchestrator.ground.values import dataclass, field
from orchestrator.keys import keyfiles, kinds, spki
from orchestrator.keys.kinds import EVERY, OURS, Kind

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from orchestrator.keys.kinds import Key


@dataclass(frozen=True)
class PublicKey:
    """A key that signatures are checked with. `spki` is its SubjectPublicKeyInfo in DER."""

    spki: bytes

    @classmethod
    def from_pem(cls, pem: bytes, what: str, wanted: frozenset[Kind] = OURS) -> PublicKey:
        """Raises TallyError, naming `what`, when this is not a public key in PEM, of a wanted kind."""
        if wanted is OURS and (quick := cls._quick(pem)) is not None:
            return quick
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        try:
            return cls._of(load_pem_public_key(pem), what, wanted)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise TallyError(f"{what} is not a public key in PEM", hint=keyfiles.HINT) from error

    @classmethod
    def from_der(cls, spki: bytes, what: str) -> PublicKey:
        """A key of any kind from its SubjectPublicKeyInfo. Raises TallyError."""
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.serialization import load_der_public_key

        try:
            return cls._of(load_der_public_key(spki), what, EVERY)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise TallyError(f"{what} is not a public key in DER") from error

    @classmethod
    def load(cls, path: Path, wanted: frozenset[Kind] = OURS) -> PublicKey:
        """Read a PEM file. Raises TallyError when it cannot be read or is not such a key."""
        data = keyfiles.half(path, keyfiles.PUBLIC)
        if data.count(b"-----BEGIN ") > 1:
            raise TallyError(f"{path} holds several keys", hint="give each in a file of its own")
        return cls.from_pem(data, str(path), wanted)

    @classmethod
    def _quick(cls, pem: bytes) -> PublicKey | None:
        """A key of one of our kinds in its one form; None: it is another one, or none."""
        der = spki.of_pem(pem)
        try:
            return None if der is None or spki.key(der) is None else cls(der)
        except ValueError:  # whoever reads all forms says so
            return None

    @classmethod
    def _of(cls, key: object, what: str, wanted: frozenset[Kind]) -> PublicKey:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        if kinds.kind_of(key) not in wanted:
            raise TallyError(f"{what} is a key of another kind", hint=keyfiles.HINT)
        return cls(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))  # type: ignore[attr-defined]

    @cached_property
    def _key(self) -> Key:
        if (quick := spki.key(self.spki)) is not None:
            return quick
        from cryptography.hazmat.primitives.serialization import load_der_public_key

        return load_der_public_key(self.spki)  # type: ignore[return-value]  # made from one of our kinds

    @cached_property
    def kind(self) -> Kind:
        """Raises TypeError when made of something else than a key of one of our kinds."""
        kind: Kind | None
        if spki.is_p256(self.spki):
            kind = Kind.P256
        elif spki.is_ed25519(self.spki):
            kind = Kind.ED25519
        else:
            kind = kinds.kind_of(self._key)
        if kind is None:
            raise TypeError("made of a key of another kind")
        return kind

    @property
    def details(self) -> str:
        """What Sigstore's messages call its kind (`PublicKeyDetails`)."""
        return self.details_by(None)

    def details_by(self, by: str | None) -> str:
        """The same of signatures by another hash of its kind; None: by its first one."""
        return kinds.details(self.kind, self._key, by)

    @cached_property
    def pem(self) -> str:
        if spki.is_p256(self.spki) or spki.is_ed25519(self.spki):
            return spki.to_pem(self.spki).decode("ascii")
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return self._key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")

    @property
    def fingerprint(self) -> str:
        """sha256 of the SubjectPublicKeyInfo, in hexadecimal."""
        return hashlib.sha256(self.spki).hexdigest()

    @property
    def hint(self) -> str:
        """The same in base64: what a Sigstore bundle calls this key, as cosign does."""
        return base64.b64encode(hashlib.sha256(self.spki).digest()).decode("ascii")

    @cached_property
    def keyid(self) -> str:
        """What in-toto calls this key: the sha256 of its canonical JSON, as securesystemslib has it."""
        # that canonical JSON leaves line ends in strings as they are, where other JSON escapes them
        keytype, scheme, public = kinds.intoto_key(self.kind, self.pem, self._key)
        text = f'{{"keytype":"{keytype}","keyval":{{"public":"{public}"}},"scheme":"{scheme}"}}'
        return hashlib.sha256(text.encode()).hexdigest()

    def verifies(self, signature: bytes, data: bytes | memoryview) -> bool:
        """Whether this key's owner signed exactly `data`."""
        return kinds.verifies(self.kind, self._key, signature, data)

    def wrote(self, signature: bytes) -> bool:
        """Whether a signature of this key's that holds has the one form in which we write them."""
        return kinds.one_form(self.kind, signature) == signature

    def verifies_digest(self, signature: bytes, digest: bytes, by: str | None = None) -> bool:
        """The same of data by its digest, by its kind's hash or another (`hashlib`'s name).

        Raises TallyError for an Ed25519 key, which signs no digest.
        """
        return kinds.verifies_digest(self.kind, self._key, signature, digest, by)

    def unjudged(self, signature: bytes, digests: Mapping[str, bytes]) -> str | None:
        """How it signed these digests, if it did in a way that no verifier here goes by."""
        return kinds.unjudged(self.kind, self._key, signature, digests)


@dataclass(frozen=True)
class SigningKey:
    """A private key in memory; it never prints itself."""

    _private: EllipticCurvePrivateKey | Ed25519PrivateKey = field(repr=False)

    @classmethod
    def generate(cls, kind: Kind = Kind.P256) -> SigningKey:
        """A new key. Raises ValueError for a kind that we do not sign with."""
        from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        match kind:
            case Kind.P256:
                return cls(generate_private_key(SECP256R1()))
            case Kind.ED25519:
                return cls(Ed25519PrivateKey.generate())
            case _:
                raise ValueError(f"nothing is signed with {kind.title}")

    @classmethod
    def load(cls, path: Path, passphrase: Callable[[Path], bytes]) -> SigningKey:
        """Read a PKCS#8 PEM file; `passphrase` is asked only for an encrypted one. Raises TallyError."""
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        data = keyfiles.half(path, keyfiles.PRIVATE)
        secret = passphrase(path) if b"ENCRYPTED" in data else None
        try:
            key = load_pem_private_key(data, secret)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            if secret is not None:
                raise TallyError(
                    f"the passphrase does not open {path}",
                    hint="give the one that the key was made with; TALLY_KEY_PASSPHRASE and --passphrase-fd "
                    "come before what is typed",
                ) from error
            raise TallyError(f"{path} is not a private key in PEM", hint=keyfiles.HINT) from error
        if kinds.kind_of(key) not in OURS:
            raise TallyError(f"{path} is a key of another kind", hint=keyfiles.HINT)
        return cls(key)  # type: ignore[arg-type]  # of one of these two kinds

    @cached_property
    def public(self) -> PublicKey:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return PublicKey(
            self._private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        )

    def sign(self, data: bytes) -> bytes:
        """A signature over `data`: DER for ECDSA, 64 bytes for Ed25519."""
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
        from cryptography.hazmat.primitives.hashes import SHA256

        if isinstance(self._private, EllipticCurvePrivateKey):
            return kinds.one_form(Kind.P256, self._private.sign(data, ECDSA(SHA256())))
        return self._private.sign(data)

    def write(self, path: Path, passphrase: bytes | None = None) -> tuple[Path, Path]:
        """Write `path`.key (mode 0600) and `path`.pub, both or neither: also where a Ctrl-C comes between.

        Raises TallyError rather than overwrite either.
        """
        import shlex

        from cryptography.hazmat.primitives.serialization import (
            BestAvailableEncryption,
            Encoding,
            KeySerializationEncryption,
            NoEncryption,
            PrivateFormat,
        )

        private, public = keyfiles.pair(path)
        encryption: KeySerializationEncryption = NoEncryption()
        if passphrase is not None:
            encryption = BestAvailableEncryption(passphrase)
        pem = self._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
        if os.path.lexists(public):
            raise keyfiles.taken(public)
        if os.access(private, os.R_OK):  # as a power cut leaves it
            show = f"tally keys show {shlex.quote(str(private))} --out {shlex.quote(str(public))}"
            raise keyfiles.taken(
                private, f"its public half is not: `{show}` writes it; or choose another name"
            )
        with INTERRUPTION.held():
            keyfiles.create(private, pem, mode=0o600)
            try:
                keyfiles.create(public, self.public.pem.encode("ascii"), mode=0o644)
            except BaseException:
                private.unlink(missing_ok=True)  # nobody had it yet, and the same command can be run again
                raise
        return private, public


def builder_key(folder: Path, name: str) -> SigningKey:
    """A builder's own key, made when it is first wanted. `folder` is the state's `keys`.

    Raises TallyError when it cannot be read or written.
    """
    path = folder / f"builder-{name}"
    private = path.with_name(f"{path.name}.key")
    public = path.with_name(f"{path.name}.pub")
    if os.path.lexists(public) and not private.exists():  # in this order: another run may be making the two
        raise TallyError(
            f"{private} is gone, and {public} is still there",
            hint=f"put the private key back, or remove {public}: a new pair is made then",
        )
    if not private.exists():
        try:
            SigningKey.generate().write(path)
        except TallyError:
            if not private.exists():  # else another run made it in this moment, and that one counts
                raise
    return SigningKey.load(private, _no_passphrase)


def is_private(path: Path) -> bool:
    """Whether a key file holds a private key. Raises TallyError when it cannot be read."""
    return b"PRIVATE KEY" in keyfiles.read(path)


def _no_passphrase(path: Path) -> bytes:
    raise TallyError(f"{path} has a passphrase, and nobody can be asked for a builder's")
