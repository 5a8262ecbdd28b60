"""A Nix binary cache in a folder of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import (
    cannot_read,
    cannot_write,
    opened,
    shown,
    sync_file_system,
    written_atomically,
)
from orchestrator.publishing.drafts import locked, refuse_unusable
from orchestrator.publishing.reference import NixCache

_PIECE = 1 << 20
_ANOTHER = "give the folder of a Nix binary cache, or of a new one"


class CacheFolder:
    """Its files are written whole, and survive a power cut once they are settled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def at(cls, reference: NixCache) -> CacheFolder:
        """Raises TallyError for an address that names no folder."""
        parts = urlsplit(reference.address)
        if parts.netloc not in ("", "localhost") or not parts.path.startswith("/") or parts.query:
            raise TallyError(f"{reference} names no folder", hint="give cache+file:///DIR, without a query")
        return cls(Path(unquote(parts.path)))

    @property
    def place(self) -> str:
        """The folder."""
        return shown(self.folder)

    def refuse_unusable(self) -> None:
        """One that cannot be made or written."""
        refuse_unusable(self.folder)

    def has_others(self) -> bool:
        """Whether it is there with anything in it."""
        try:
            return os.path.lexists(self.folder) and bool(os.listdir(self.folder))
        except OSError as error:
            raise cannot_read(self.folder, error, "", _ANOTHER) from error

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Other runs wait; it ends with the process."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = locked(self.folder)
            lock.__enter__()
        except OSError as error:
            raise cannot_write(self.folder, error) from error
        try:
            yield
        finally:
            lock.__exit__(None, None, None)

    def chunks(self, name: str) -> Iterator[bytes] | None:
        """None also where a name leads through what is no folder."""
        file = self.folder / name
        try:
            stream = opened(file)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            raise cannot_read(file, error, "", _ANOTHER) from error
        return self._read(file, stream)

    def _read(self, file: Path, stream: BinaryIO) -> Iterator[bytes]:
        with stream:
            try:
                while piece := stream.read(_PIECE):
                    yield piece
            except OSError as error:
                raise cannot_read(file, error, "", _ANOTHER) from error

    def put(self, name: str) -> AbstractContextManager[BinaryIO]:
        """It has its name once it is whole."""
        return written_atomically(self.folder / name, synced=False)

    def settle(self) -> None:
        """All at once: a cache of 10,000 paths has 20,000 files."""
        try:
            sync_file_system(self.folder)
        except OSError as error:
            raise cannot_write(self.folder, error) from error
