"""Signed notes, and the checkpoints of logs in them. Pure.

Specification: C2SP signed-note and tlog-checkpoint. Signatures are Ed25519 (type 1) or ECDSA on P-256
(type 2, as Rekor has it); others are signatures by keys that we do not know, which verifiers ignore.
"""

from __future__ import annotations

import hashlib
import re
from functools import cached_property
from typing import TYPE_CHECKING

from orchestrator.evidence.canonical import MalformedError, decoded, encoded
from orchestrator.ground.values import dataclass
from orchestrator.ground.wording import counted
from orchestrator.log.merkle import HASH_SIZE

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

LIMIT = 1 << 17
"""The largest note that is read, in bytes: many witnesses' signatures fit."""
_MOST_SIGNATURES = 100  # as Go's implementation has it; sixteen is the least that a reader must take
_DASH = "\N{EM DASH} "
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")
_LARGEST = (1 << 63) - 1  # sizes travel as protobuf's int64


@dataclass(frozen=True)
class NoteKey:
    """A key that notes are verified with, and the name that it signs under."""

    name: str
    spki: bytes
    """SubjectPublicKeyInfo in DER. Its first use raises MalformedError when it is of no kind that we know."""

    @cached_property
    def log_id(self) -> bytes:
        """The whole sha256 of which the key id is the beginning: what Rekor v2 calls its log id."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        if isinstance(self._key, Ed25519PublicKey):
            kind_and_key = b"\x01" + self._key.public_bytes_raw()
            return hashlib.sha256(self.name.encode() + b"\n" + kind_and_key).digest()
        return hashlib.sha256(self.spki).digest()

    @property
    def key_id(self) -> bytes:
        """Four bytes that tell this key from others of its name (signed-note, "Signatures")."""
        return self.log_id[:4]

    @property
    def vkey(self) -> str:
        """The key as text (signed-note, "Verifier keys")."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        if isinstance(self._key, Ed25519PublicKey):
            material = b"\x01" + self._key.public_bytes_raw()
        else:
            material = b"\x02" + self.spki
        return f"{self.name}+{self.key_id.hex()}+{encoded(material)}"

    def verifies(self, signature: bytes, text: bytes) -> bool:
        """Whether this key's owner signed exactly this text."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.hashes import SHA256

        try:
            if isinstance(self._key, Ed25519PublicKey):
                self._key.verify(signature, text)
            else:
                self._key.verify(signature, text, ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True

    @cached_property
    def _key(self) -> Ed25519PublicKey | EllipticCurvePublicKey:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_der_public_key

        try:
            key = load_der_public_key(self.spki)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise MalformedError(f"the key of {self.name} is not a public key: {error}") from None
        if isinstance(key, Ed25519PublicKey):
            return key
        if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
            return key
        raise MalformedError(f"the key of {self.name} is neither Ed25519 nor ECDSA on P-256")


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line."""

    name: str
    key_id: bytes
    sig: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A text, as the exact bytes that were signed, and its signatures."""

    text: bytes
    signatures: tuple[NoteSignature, ...]

    def render(self) -> str:
        lines = [f"{_DASH}{each.name} {encoded(each.key_id + each.sig)}\n" for each in self.signatures]
        return self.text.decode() + "\n" + "".join(lines)

    def signed_by(self, key: NoteKey) -> bool:
        """Whether the key signed the text: each signature under its name and id holds, and there is one."""
        own = [each.sig for each in self.signatures if (each.name, each.key_id) == (key.name, key.key_id)]
        return bool(own) and all(key.verifies(sig, self.text) for sig in own)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log's tree (tlog-checkpoint, "Note text")."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @property
    def text(self) -> bytes:
        """What is signed."""
        lines = [self.origin, str(self.size), encoded(self.root), *self.extensions]
        return "".join(f"{line}\n" for line in lines).encode()


def sign(checkpoint: Checkpoint, key: Ed25519PrivateKey, public: NoteKey) -> Note:
    """A checkpoint in a note, under the key's name."""
    signature = NoteSignature(public.name, public.key_id, key.sign(checkpoint.text))
    return Note(checkpoint.text, (signature,))


def parse(data: str, what: str) -> Note:
    """Read a signed note (signed-note, "Format"). Raises MalformedError."""
    if len(data) > LIMIT:
        raise MalformedError(f"{what} is larger than any signed note")
    if any(character < " " and character != "\n" for character in data):
        raise MalformedError(f"{what} has control characters")
    text, separator, rest = data.rpartition("\n\n")
    if not separator or not text or not rest.endswith("\n"):
        raise MalformedError(f"{what} is not a signed note: it has no text, or no signatures")
    try:
        signed = f"{text}\n".encode()
    except UnicodeEncodeError:
        raise MalformedError(f"{what} is not text") from None
    lines = rest[:-1].split("\n")
    if len(lines) > _MOST_SIGNATURES:
        raise MalformedError(f"{what} has {counted(len(lines), 'signature')}; {_MOST_SIGNATURES} is the most")
    signatures = tuple(_signature(line, what) for line in lines)
    if len({(each.name, each.key_id) for each in signatures}) != len(signatures):
        raise MalformedError(f"{what} has two signatures by one key")  # each would have to be checked
    return Note(signed, signatures)


def parse_checkpoint(note: Note, what: str) -> Checkpoint:
    """The checkpoint in a note, whose signatures are another question. Raises MalformedError."""
    lines = note.text.decode().removesuffix("\n").split("\n")
    if len(lines) < 3 or not all(lines):
        raise MalformedError(f"{what} is not a checkpoint: it needs an origin, a size and a root")
    origin, size, root, *extensions = lines
    if not _NUMBER.fullmatch(size) or int(size) > _LARGEST:
        raise MalformedError(f"{what} has no size in decimal digits")
    found = decoded(root, f"the root in {what}")
    if len(found) != HASH_SIZE:
        raise MalformedError(f"the root in {what} is not a sha256")
    return Checkpoint(origin, int(size), found, tuple(extensions))


def _signature(line: str, what: str) -> NoteSignature:
    name, _, text = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not name or "+" in name or any(map(str.isspace, name)):
        raise MalformedError(f"{what} has a line among its signatures that is none")
    data = decoded(text, f"a signature in {what}")
    if len(data) < 5:
        raise MalformedError(f"{what} has a signature without an id, or an empty one")
    return NoteSignature(name, data[:4], data[4:])
