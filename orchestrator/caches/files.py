"""Where a binary cache's files are: in a folder of this machine, or elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import BinaryIO, Protocol


class Files(Protocol):
    """A cache's files, by their names in it. Threads may share it."""

    @property
    def place(self) -> str:
        """As people know it."""

    def refuse_unusable(self) -> None:
        """Raises TallyError where nothing could be put, before anything is."""

    def has_others(self) -> bool:
        """Whether anything is there, where that can be known. Raises TallyError."""

    def exclusively(self) -> AbstractContextManager[None]:
        """Nobody else writes there meanwhile, as far as the place can see to that."""

    def chunks(self, name: str) -> Iterator[bytes] | None:
        """A file as it comes; None: there is none. Raises TallyError, also on the way."""

    def put(self, name: str) -> AbstractContextManager[BinaryIO]:
        """A stream for a file's bytes, which is there once the block ends well. Raises TallyError."""

    def settle(self) -> None:
        """What was put survives from here on what can happen to that place. Raises TallyError."""
