"""Where a lock file lies: a project's source, read by paths. Who implements this does I/O; readers do not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

LARGEST: Final = 16 << 20
"""Bytes of one file that is read of a source. The largest lock files known have 10 MiB."""

MOST: Final = 20_000
"""Files of one name in a source. Rust's own compiler has some hundreds of Cargo.toml."""


class Tree(Protocol):
    """The files of one source, as the build unpacks them."""

    def read(self, path: str) -> bytes | None:
        """A file's bytes by its path from the top; None where there is no such file.

        Raises TallyError for one of more than `LARGEST` bytes, and where the source cannot be read.
        """

    def named(self, name: str) -> Mapping[str, bytes]:
        """The files of this name in all folders, by their paths from the top.

        Raises TallyError as `read` does, and for more than `MOST` of them.
        """
