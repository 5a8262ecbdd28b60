"""Writing a Nix binary cache in a folder: the NAR first, and last the narinfo that makes it found.

Nix's manual, "Serving a Nix store via HTTP".
"""

from __future__ import annotations

import hashlib
import lzma
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orchestrator.caches import narinfo
from orchestrator.caches.narinfo import STORE, Narinfo, narinfo_name
from orchestrator.caches.unpacking import unpacked
from orchestrator.ground.digest import NarHash
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import (
    cannot_read,
    contents,
    opened,
    shown,
    write_atomically,
    written_atomically,
)
from orchestrator.nix.signature import fingerprint
from orchestrator.nix.storepath import base32

INFO: Final = "nix-cache-info"
_INFO_LIMIT: Final = 1 << 16
_STORE_DIR: Final = "/nix/store"
_PIECE: Final = 1 << 20
_ANOTHER: Final = "give the folder of a Nix binary cache, or of a new one"


@dataclass(frozen=True, slots=True)
class Object:
    """A store object that is to be in a cache."""

    path: str
    nar_hash: NarHash
    nar_size: int
    references: tuple[str, ...]
    """Store paths, sorted, the path itself among them where it refers to itself."""

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.path, self.nar_hash, self.nar_size, self.references)


class CacheFolder:
    """A binary cache in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def refuse_unusable(self) -> None:
        """Raises TallyError for a folder with other things in it, and for a cache of another store."""
        try:
            there = os.listdir(self.folder) if os.path.lexists(self.folder) else []
            info = contents(self.folder / INFO, _INFO_LIMIT).decode("ascii") if INFO in there else None
        except (OSError, ValueError) as error:
            raise cannot_read(self.folder, error, "", _ANOTHER) from error
        if info is None:
            if there:
                raise TallyError(
                    f"{shown(self.folder)} is no Nix binary cache: it has other files, and no {INFO}",
                    hint=_ANOTHER,
                )
            return
        fields = dict(line.partition(":")[::2] for line in info.splitlines())
        if (store := fields.get("StoreDir", "").strip()) != _STORE_DIR:
            raise TallyError(
                f"{shown(self.folder)} is a cache of the store {store!r}, not of {_STORE_DIR}", hint=_ANOTHER
            )

    def begin(self) -> None:
        """Make it a cache, if it is none yet. Raises TallyError."""
        if not os.path.lexists(self.folder / INFO):
            write_atomically(self.folder / INFO, f"StoreDir: {_STORE_DIR}\n".encode())

    def find(self, item: Object) -> Narinfo | None:
        """What it says of a store path; None: nothing. Raises TallyError where another object is there."""
        file = self.folder / narinfo_name(item.path)
        try:
            found = narinfo.parse(contents(file, narinfo.LARGEST))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise cannot_read(file, error, "", _ANOTHER) from error
        except ValueError as error:
            raise TallyError(
                f"{shown(file)} {error}", hint="move it away if nobody needs it, or name another cache"
            ) from error
        if (found.path, found.fingerprint) != (item.path, item.fingerprint):
            raise TallyError(
                f"{shown(file)} is about another object: {found.path}, NAR {found.nar_hash}; "
                f"the release has {item.path}, NAR {item.nar_hash}",
                hint="nothing in a cache is ever overwritten: name another one, or find out who put it there",
            )
        return found

    def is_whole(self, found: Narinfo) -> bool:
        """Whether the NAR is there, as its narinfo has it."""
        try:
            with opened(self.folder / found.url) as stream:
                pieces = iter(lambda: stream.read(_PIECE), b"")
                for _ in unpacked(pieces, found.compression, found.nar_hash, found.nar_size):
                    pass
        except (OSError, ValueError):
            return False
        return True

    def put_nar(self, item: Object, nar: Iterable[bytes]) -> str:
        """Write a NAR, packed; the narinfo that is to tell of it, without signatures.

        Raises TallyError where the bytes are not the object's: nothing is written then.
        """
        url = f"nar/{base32(bytes.fromhex(item.nar_hash.hex))}.nar.xz"
        packed, packed_size = hashlib.sha256(), 0
        with written_atomically(self.folder / url) as stream:
            for piece in _packed(_checked(item, nar)):
                packed.update(piece)
                packed_size += len(piece)
                stream.write(piece)
        references = " ".join(each.removeprefix(STORE) for each in item.references)
        return (
            f"StorePath: {item.path}\nURL: {url}\nCompression: xz\n"
            f"FileHash: sha256:{base32(packed.digest())}\nFileSize: {packed_size}\n"
            f"NarHash: sha256:{base32(bytes.fromhex(item.nar_hash.hex))}\nNarSize: {item.nar_size}\n"
            f"References: {references}\n"
        )

    def text(self, item: Object) -> str:
        """The narinfo that is there, as it is."""
        return contents(self.folder / narinfo_name(item.path), narinfo.LARGEST).decode("ascii")

    def put_narinfo(self, item: Object, text: str) -> None:
        """Make a NAR that is there found. Raises TallyError."""
        write_atomically(self.folder / narinfo_name(item.path), text.encode("ascii"))


def _checked(item: Object, nar: Iterable[bytes]) -> Iterator[bytes]:
    digest, size = hashlib.sha256(), 0
    for piece in nar:
        digest.update(piece)
        size += len(piece)
        yield piece
    if (digest.hexdigest(), size) != (item.nar_hash.hex, item.nar_size):
        raise TallyError(f"{item.path} changed while it was read", hint="run the command again")


def _packed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    packer = lzma.LZMACompressor(check=lzma.CHECK_CRC64)
    for piece in pieces:
        if data := packer.compress(piece):
            yield data
    yield packer.flush()
