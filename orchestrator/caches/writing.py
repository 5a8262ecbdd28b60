"""Writing a Nix binary cache: the NAR first, and last the narinfo that makes it found.

Nix's manual, "Serving a Nix store via HTTP".
"""

from __future__ import annotations

import hashlib
import lzma
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from orchestrator.caches import narinfo
from orchestrator.caches.files import Files
from orchestrator.caches.narinfo import STORE, Narinfo, narinfo_name
from orchestrator.caches.unpacking import unpacked
from orchestrator.ground.digest import NarHash
from orchestrator.ground.errors import TallyError
from orchestrator.nix.signature import fingerprint
from orchestrator.nix.storepath import base32

INFO: Final = "nix-cache-info"
_INFO_LIMIT: Final = 1 << 16
_STORE_DIR: Final = "/nix/store"
_DICTIONARY: Final = (1 << 12, 1 << 23)
"""Bytes that xz looks back: at least what it takes, at most what its own preset has."""


@dataclass(frozen=True, slots=True)
class Object:
    """A store object that is to be in a cache."""

    path: str
    nar_hash: NarHash
    nar_size: int
    references: tuple[str, ...]
    """Store paths, sorted, the path itself among them where it refers to itself."""
    content: str = ""
    """By which its path follows from its content, as Nix writes it (`CA`); empty: it does not."""

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.path, self.nar_hash, self.nar_size, self.references)


class BinaryCache:
    """A binary cache, wherever its files are. Threads may share it."""

    def __init__(self, files: Files) -> None:
        self._files = files

    @property
    def place(self) -> str:
        """As people know it."""
        return self._files.place

    def exclusively(self) -> AbstractContextManager[None]:
        """Nobody else writes there meanwhile, as far as the place can see to that."""
        return self._files.exclusively()

    def settle(self) -> None:
        """What was put survives from here on what can happen to that place. Raises TallyError."""
        self._files.settle()

    def refuse_unusable(self) -> None:
        """Raises TallyError for a place with other things in it, and for a cache of another store."""
        self._files.refuse_unusable()
        try:
            data = self._read(INFO, _INFO_LIMIT)
            info = None if data is None else data.decode("ascii")
        except ValueError as error:
            raise TallyError(
                f"{self._at(INFO)} {error}", hint="name a Nix binary cache, or a new one"
            ) from error
        if info is None:
            if self._files.has_others():
                raise TallyError(
                    f"{self.place} is no Nix binary cache: it has other files, and no {INFO}",
                    hint="name a Nix binary cache, or a new one",
                )
            return
        fields = dict(line.partition(":")[::2] for line in info.splitlines())
        if (store := fields.get("StoreDir", "").strip()) != _STORE_DIR:
            raise TallyError(
                f"{self.place} is a cache of the store {store[:200]!r}, not of {_STORE_DIR}",
                hint="name a Nix binary cache, or a new one",
            )

    def begin(self) -> None:
        """Make it a cache, if it is none yet. Raises TallyError."""
        if self._read(INFO, _INFO_LIMIT) is None:
            self._put(INFO, f"StoreDir: {_STORE_DIR}\n".encode())

    def find(self, item: Object) -> Narinfo | None:
        """What it says of a store path; None: nothing. Raises TallyError where another object is there."""
        name = narinfo_name(item.path)
        try:
            data = self._read(name, narinfo.LARGEST)
            if data is None:
                return None
            found = narinfo.parse(data)
        except ValueError as error:
            raise TallyError(
                f"{self._at(name)} {error}", hint="move it away if nobody needs it, or name another cache"
            ) from error
        if (found.path, found.fingerprint) != (item.path, item.fingerprint):
            raise TallyError(
                f"{self._at(name)} is about another object: {found.path}, NAR {found.nar_hash}; "
                f"the release has {item.path}, NAR {item.nar_hash}",
                hint="nothing in a cache is ever overwritten: name another one, or find out who put it there",
            )
        return found

    def is_whole(self, found: Narinfo) -> bool:
        """Whether the NAR is there, as its narinfo has it. Raises TallyError where that cannot be known."""
        pieces = self._files.chunks(found.url)
        if pieces is None:
            return False
        most = found.nar_size + _INFO_LIMIT if found.file_size is None else found.file_size
        try:
            bounded = _bounded(pieces, most)
            for _ in unpacked(bounded, found.compression, found.nar_hash, found.nar_size):
                pass
        except ValueError:
            return False
        return True

    def put_nar(self, item: Object, nar: Iterable[bytes]) -> str:
        """Write a NAR, packed with xz unless its content is fixed: most sources are packed already.

        Gives the narinfo that is to tell of it, without signatures.

        Raises TallyError where the bytes are not the object's: nothing is written then.
        """
        compression, ending = ("none", "") if item.content else ("xz", ".xz")
        url = f"nar/{base32(bytes.fromhex(item.nar_hash.hex))}.nar{ending}"
        packed, packed_size = hashlib.sha256(), 0
        with self._files.put(url) as stream:
            pieces = _checked(item, nar)
            for piece in pieces if item.content else _packed(pieces, item.nar_size):
                packed.update(piece)
                packed_size += len(piece)
                stream.write(piece)
        references = " ".join(each.removeprefix(STORE) for each in item.references)
        return (
            f"StorePath: {item.path}\nURL: {url}\nCompression: {compression}\n"
            f"FileHash: sha256:{base32(packed.digest())}\nFileSize: {packed_size}\n"
            f"NarHash: sha256:{base32(bytes.fromhex(item.nar_hash.hex))}\nNarSize: {item.nar_size}\n"
            f"References: {references}\n" + (f"CA: {item.content}\n" if item.content else "")
        )

    def text(self, item: Object) -> str:
        """The narinfo that is there, as it is. Raises TallyError."""
        data = self._read(narinfo_name(item.path), narinfo.LARGEST)
        if data is None:
            raise TallyError(
                f"{self._at(narinfo_name(item.path))} was there a moment ago, and is not any more",
                hint="see who else writes there, and run the command again",
            )
        return data.decode("ascii")

    def put_narinfo(self, item: Object, text: str) -> None:
        """Make a NAR that is there found. Raises TallyError."""
        self._put(narinfo_name(item.path), text.encode("ascii"))

    def _at(self, name: str) -> str:
        return f"{self.place}/{name}"

    def _put(self, name: str, data: bytes) -> None:
        with self._files.put(name) as stream:
            stream.write(data)

    def _read(self, name: str, limit: int) -> bytes | None:
        """A whole file; None: there is none. Raises TallyError, ValueError for a larger one."""
        pieces = self._files.chunks(name)
        return None if pieces is None else b"".join(_bounded(pieces, limit))


def _bounded(pieces: Iterable[bytes], limit: int) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > limit:
            raise ValueError(f"has more than the {limit} bytes that it may have")
        yield piece


def _checked(item: Object, nar: Iterable[bytes]) -> Iterator[bytes]:
    digest, size = hashlib.sha256(), 0
    for piece in nar:
        digest.update(piece)
        size += len(piece)
        yield piece
    if (digest.hexdigest(), size) != (item.nar_hash.hex, item.nar_size):
        raise TallyError(f"{item.path} changed while it was read", hint="run the command again")


def _packed(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    """As `xz` packs, with no larger a dictionary than there are bytes: to empty it takes most of the time."""
    least, most = _DICTIONARY
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": min(most, max(least, size))}]
    packer = lzma.LZMACompressor(check=lzma.CHECK_CRC64, filters=filters)
    for piece in pieces:
        if data := packer.compress(piece):
            yield data
    yield packer.flush()
