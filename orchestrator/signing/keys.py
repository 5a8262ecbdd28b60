"""Signing keys: ECDSA on P-256 with SHA-256, the one kind that every client we know of accepts.

Private keys are PKCS#8 PEM (RFC 5958), public ones SubjectPublicKeyInfo PEM (RFC 5280, section 4.1).
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.errors import TallyError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import (
        ECDSA,
        EllipticCurvePrivateKey,
        EllipticCurvePublicKey,
    )

_KIND = "make one with `tally keys generate`; keys are ECDSA on the curve P-256"
_LARGEST = 1 << 16  # a key file takes some hundred bytes


@dataclass(frozen=True)
class PublicKey:
    """A key that signatures are checked with. `spki` is its SubjectPublicKeyInfo in DER."""

    spki: bytes

    @classmethod
    def from_pem(cls, pem: bytes, what: str) -> PublicKey:
        """Raises TallyError, naming `what`, when this is not a P-256 public key in PEM."""
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        try:
            return cls._of(load_pem_public_key(pem), what)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise TallyError(f"{what} is not a public key in PEM", hint=_KIND) from error

    @classmethod
    def load(cls, path: Path) -> PublicKey:
        """Read a PEM file. Raises TallyError when it cannot be read or is not such a key."""
        data = _read(path)
        if b"PRIVATE KEY" in data:
            raise TallyError(
                f"{path} holds a private key where a public one is wanted", hint="give the .pub file"
            )
        if data.count(b"-----BEGIN ") > 1:
            raise TallyError(f"{path} holds several keys", hint="give each in a file of its own")
        return cls.from_pem(data, str(path))

    @classmethod
    def _of(cls, key: object, what: str) -> PublicKey:
        from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
            raise TallyError(f"{what} is a key of another kind", hint=_KIND)
        return cls(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))

    @cached_property
    def _key(self) -> EllipticCurvePublicKey:
        from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
        from cryptography.hazmat.primitives.serialization import load_der_public_key

        key = load_der_public_key(self.spki)
        if not isinstance(key, EllipticCurvePublicKey):
            raise TypeError("made from a P-256 key alone")
        return key

    @cached_property
    def pem(self) -> str:
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
        text = f'{{"keytype":"ecdsa","keyval":{{"public":"{self.pem}"}},"scheme":"ecdsa-sha2-nistp256"}}'
        return hashlib.sha256(text.encode()).hexdigest()

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Whether this key's owner signed exactly `data`. `signature` is DER (RFC 3279, section 2.2.3)."""
        from cryptography.exceptions import InvalidSignature

        try:
            self._key.verify(signature, data, _ecdsa())
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True)
class SigningKey:
    """A private key in memory; it never prints itself."""

    _private: EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def generate(cls) -> SigningKey:
        from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

        return cls(generate_private_key(SECP256R1()))

    @classmethod
    def load(cls, path: Path, passphrase: Callable[[Path], bytes]) -> SigningKey:
        """Read a PKCS#8 PEM file; `passphrase` is asked only for an encrypted one. Raises TallyError."""
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        data = _read(path)
        secret = passphrase(path) if b"ENCRYPTED" in data else None
        try:
            key = load_pem_private_key(data, secret)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            if secret is not None:
                raise TallyError(f"the passphrase does not open {path}") from error
            raise TallyError(f"{path} is not a private key in PEM", hint=_KIND) from error
        if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
            raise TallyError(f"{path} is a key of another kind", hint=_KIND)
        return cls(key)

    @cached_property
    def public(self) -> PublicKey:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return PublicKey(
            self._private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        )

    def sign(self, data: bytes) -> bytes:
        """A DER signature over `data`."""
        return self._private.sign(data, _ecdsa())

    def write(self, path: Path, passphrase: bytes | None = None) -> tuple[Path, Path]:
        """Write `path`.key (mode 0600) and `path`.pub. Raises TallyError rather than overwrite either."""
        from cryptography.hazmat.primitives.serialization import (
            BestAvailableEncryption,
            Encoding,
            KeySerializationEncryption,
            NoEncryption,
            PrivateFormat,
        )

        base = path.with_name(path.name.removesuffix(".key").removesuffix(".pub"))
        private, public = base.with_name(f"{base.name}.key"), base.with_name(f"{base.name}.pub")
        encryption: KeySerializationEncryption = NoEncryption()
        if passphrase is not None:
            encryption = BestAvailableEncryption(passphrase)
        pem = self._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
        if os.path.lexists(public):
            raise _exists(public)
        _create(private, pem, mode=0o600)
        _create(public, self.public.pem.encode("ascii"), mode=0o644)
        return private, public


@cache
def _ecdsa() -> ECDSA:
    """ECDSA with SHA-256, made once."""
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.hashes import SHA256

    return ECDSA(SHA256())


def builder_key(folder: Path, name: str) -> SigningKey:
    """A builder's own key, made when it is first wanted. `folder` is the state's `keys`.

    Raises TallyError when it cannot be read or written.
    """
    path = folder / f"builder-{name}"
    private = path.with_name(f"{path.name}.key")
    if not private.exists() and os.path.lexists(public := path.with_name(f"{path.name}.pub")):
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
    return b"PRIVATE KEY" in _read(path)


def _no_passphrase(path: Path) -> bytes:
    raise TallyError(f"{path} has a passphrase, and nobody can be asked for a builder's")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(_LARGEST + 1)
    except OSError as error:
        raise TallyError(f"cannot read the key {path}: {error.strerror or error}", hint=_KIND) from error
    if len(data) > _LARGEST:
        raise TallyError(f"{path} is far too large for a key", hint=_KIND)
    return data


def _create(path: Path, data: bytes, mode: int) -> None:
    """A new file, whole or not at all, that never replaces another."""
    from orchestrator.files import cannot_write, sync_folder  # verifying needs none of what that imports

    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fchmod(stream.fileno(), mode)
                os.fsync(stream.fileno())
            os.link(temporary, path)  # unlike a rename, refuses when the name is taken
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(path.parent)
    except FileExistsError as error:
        raise _exists(path) from error
    except OSError as error:
        raise cannot_write(path, error) from error


def _exists(path: Path) -> TallyError:
    return TallyError(f"{path} is there already, and keys are never overwritten", hint="choose another name")
