"""The embedded log: a transparency log in a folder of the user's own, in the field's own format.

Specification: C2SP tlog-tiles and tlog-checkpoint, with entries as Rekor v2 has them. Its operator is its
user: it is tamper-evident to whoever holds a checkpoint of it, and it is not public. A wider partial tile
begins with every narrower one, so only the widest is kept.

What the file `checkpoint` says counts: all that it needs is on the disk before it is written, and nothing
that it needs is removed before the next one is. So a run that ends anywhere leaves a whole log.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from orchestrator.evidence.canonical import MalformedError
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import shown
from orchestrator.ground.wording import counted
from orchestrator.log import merkle, note, tiles, trusted_root
from orchestrator.log.entry import KIND, VERSION, InclusionProof, LogEntry, Signed
from orchestrator.log.folder import LogFolder
from orchestrator.log.growth import grow
from orchestrator.log.merkle import EMPTY_ROOT
from orchestrator.log.note import Checkpoint, NoteKey
from orchestrator.log.tiles import LARGEST_ENTRY, Level
from orchestrator.log.trusted_root import TRUSTED_ROOT, LogInstance, TrustedRoot, Window

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

CHECKPOINT: Final = "checkpoint"
KEY: Final = "log.key"
_TILES: Final = "tile"
_DOMAIN: Final = "log.tallystick.example"
"""What every embedded log's origin ends with: reserved (RFC 2606), so nobody can answer in a log's name."""
_WAY_OUT = (
    "`tally log verify` says more. Put the folder back as it was; or move it away, and a new log begins with "
    "another key and name: releases keep the proofs that they have"
)


@dataclass(frozen=True)
class EmbeddedLog:
    """A log that is there. Every method raises TallyError when its folder cannot be read, or is damaged."""

    folder: LogFolder
    instance: LogInstance
    """Its name, its key, and since when it is valid: what its proofs are checked with."""

    @classmethod
    def opened(cls, path: Path, today: date | None = None) -> EmbeddedLog:
        """The log in a folder, begun there if need be. `today` is in UTC; default: the clock's."""
        folder = LogFolder(path)
        if not folder.has(CHECKPOINT):
            with folder.locked(exclusive=True):
                _begin(folder, today or datetime.now(UTC).date())
        return cls.existing(path)

    @classmethod
    def existing(cls, path: Path) -> EmbeddedLog:
        """The log in a folder. Raises TallyError when there is none."""
        folder = LogFolder(path)
        if not any(folder.has(name) for name in (CHECKPOINT, TRUSTED_ROOT, KEY)):
            raise TallyError(
                f"there is no log in {shown(path)} yet",
                hint="the first release that `tally build` signs begins it",
            )
        if folder.has(KEY) and not (folder.has(CHECKPOINT) or folder.has(_TILES)):
            raise TallyError(
                f"the log in {path} has not begun: it has a key, and no checkpoint and no entries",
                hint="a run ended, or its disk was full, before it could; the next release that "
                "`tally build` signs begins it. If it had entries, put the folder back as it was",
            )
        return _by_its_root(folder)

    @property
    def key(self) -> NoteKey:
        return self.instance.key

    @property
    def instances(self) -> tuple[LogInstance, ...]:
        """What its proofs are checked with."""
        return (self.instance,)

    def enter(self, signed: Sequence[Signed]) -> tuple[LogEntry, ...]:
        """Each signature's entry."""
        return self.append([each.body() for each in signed])

    @contextmanager
    def reading(self) -> Iterator[Checkpoint]:
        """The log's head; nobody adds an entry while the block lasts."""
        with self.folder.locked(exclusive=False):
            yield self._head()

    def append(self, entries: Sequence[bytes]) -> tuple[LogEntry, ...]:
        """Add entries, in this order; each with its place and proof, once all of it is on the disk.

        Safe in any number of processes. Nothing is added to a log whose tiles are not its checkpoint's.
        """
        if large := next((each for each in entries if len(each) > LARGEST_ENTRY), None):
            raise TallyError(f"an entry of {len(large)} bytes is too large for a log", hint=None)
        if not entries:
            return ()
        with self.folder.locked(exclusive=True):
            head = self._head()
            grown = grow(head.size, entries, self.tile)
            if grown.old_root != head.root:
                raise damaged(self.folder, "its tiles are not those that its checkpoint was signed over")
            new_head = Checkpoint(self.instance.origin, grown.size, grown.root)
            signed = note.sign(new_head, self._private, self.key).render()
            self.folder.write(grown.files)
            self.folder.write({CHECKPOINT: signed.encode()})
            self.folder.tidy(head.size, grown.size, grown.files)
        return tuple(
            LogEntry(
                index=number,
                log_id=self.instance.log_id,
                kind=KIND,
                version=VERSION,
                body=entry,
                proof=InclusionProof(number, grown.size, grown.root, proof, signed),
            )
            for number, (entry, proof) in enumerate(zip(entries, grown.proofs, strict=True), head.size)
        )

    def tile(self, level: Level, index: int, width: int) -> bytes:
        """A tile's hashes, or an entry bundle, of a log that has it at this width."""
        name = tiles.path(level, index, width)
        data = self.folder.read(name)
        if level != "entries" and len(data) != width * merkle.HASH_SIZE:
            raise damaged(
                self.folder,
                f"{name} has {counted(len(data), 'byte')}, and not {counted(width, 'hash', 'hashes')}",
            )
        if level == "entries":
            self._unpacked(data, name, width)
        return data

    def entries(self, index: int, width: int) -> list[bytes]:
        """The entries in an entry bundle."""
        name = tiles.path("entries", index, width)
        return self._unpacked(self.folder.read(name), name, width)

    def _unpacked(self, data: bytes, name: str, width: int) -> list[bytes]:
        try:
            found = tiles.unpack(data, name)
        except MalformedError as error:
            raise damaged(self.folder, str(error)) from error
        if len(found) != width:
            raise damaged(
                self.folder, f"{name} has {counted(len(found), 'entry', 'entries')}, and not {width}"
            )
        return found

    def checkpoint(self, text: bytes, what: str) -> Checkpoint:
        """A checkpoint that this log's key signed. Raises MalformedError for anything else."""
        try:
            signed = note.parse(text.decode("utf-8"), what)
        except UnicodeDecodeError:
            raise MalformedError(f"{what} is not text") from None
        found = note.parse_checkpoint(signed, what)
        if not signed.signed_by(self.key) or found.origin != self.instance.origin:
            raise MalformedError(f"{what} is not signed by the key of {self.instance.origin}")
        return found

    def _head(self) -> Checkpoint:
        try:
            return self.checkpoint(self.folder.read(CHECKPOINT), "its checkpoint")
        except MalformedError as error:
            raise damaged(self.folder, str(error)) from error

    @cached_property
    def _private(self) -> Ed25519PrivateKey:
        private = _loaded(self.folder)
        if _spki(private) != self.instance.spki:
            raise damaged(self.folder, f"{KEY} is not the key in {TRUSTED_ROOT}")
        return private


def damaged(folder: LogFolder, why: str) -> TallyError:
    return TallyError(f"the log in {folder.path} is damaged: {why}", hint=_WAY_OUT)


def _by_its_root(folder: LogFolder) -> EmbeddedLog:
    """The log by its trusted root, also before its first checkpoint."""
    what = str(folder.path / TRUSTED_ROOT)
    data = folder.read(TRUSTED_ROOT)
    try:
        root = trusted_root.parse(data, what)
        if len(root.tlogs) != 1:
            raise MalformedError(f"{what} does not name one log")
        (instance,) = root.tlogs
        if instance.key.log_id != instance.log_id:
            raise MalformedError(f"{what} has another key than its log's id stands for")
    except MalformedError as error:
        raise damaged(folder, str(error)) from error
    return EmbeddedLog(folder, instance)


def _begin(folder: LogFolder, today: date) -> None:
    """Key, trusted root, empty checkpoint, in this order; what a run that ended here left is used."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    names = [KEY, TRUSTED_ROOT, CHECKPOINT, _TILES]
    there = [folder.has(name) for name in names]
    if there[2]:
        return  # another run was first
    if there != sorted(there, reverse=True):
        missing = names[there.index(False)]
        raise damaged(folder, f"{missing} is gone, and the rest is there")
    if not folder.has(KEY):
        pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        folder.write({KEY: pem}, mode=0o600)
    private = _loaded(folder)
    if not folder.has(TRUSTED_ROOT):
        # valid from this day's first moment: verifiers' clocks are a little behind
        instance = _instance(_spki(private), datetime(today.year, today.month, today.day, tzinfo=UTC))
        folder.write({TRUSTED_ROOT: TrustedRoot(tlogs=(instance,)).render()})
    log = _by_its_root(folder)
    empty = Checkpoint(log.instance.origin, 0, EMPTY_ROOT)
    folder.write({CHECKPOINT: note.sign(empty, private, log.key).render().encode()})


def _instance(spki: bytes, start: datetime) -> LogInstance:
    """A log is named after its key, so that two logs never have one name."""
    origin = f"{hashlib.sha256(spki).hexdigest()[:16]}.{_DOMAIN}"
    log_id = NoteKey(origin, spki).log_id
    return LogInstance(f"https://{origin}", spki, "PKIX_ED25519", log_id, Window(start))


def _loaded(folder: LogFolder) -> Ed25519PrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(folder.read(KEY), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise damaged(folder, f"{KEY} is not a private key") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise damaged(folder, f"{KEY} is a key of another kind")
    return key


def _spki(private: Ed25519PrivateKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
