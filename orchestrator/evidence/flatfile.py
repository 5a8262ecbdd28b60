"""A flat file's two digests in one pass: its sha256, and its NAR hash as a store path of its own. Pure.

NAR format: figure 5.2 of Eelco Dolstra's thesis, "The Purely Functional Software Deployment Model".
"""

from __future__ import annotations

import hashlib

from orchestrator.ground.digest import NarHash, Sha256


class FlatFileHasher:
    """Takes a file's bytes, `size` of them in all; gives the digests of the file and of its NAR."""

    def __init__(self, size: int, *, executable: bool) -> None:
        self.size = size
        self._seen = 0
        self._file = hashlib.sha256()
        words = ["nix-archive-1", "(", "type", "regular"]
        if executable:
            words += ["executable", ""]
        self._nar = hashlib.sha256(b"".join(map(_string, [*words, "contents"])) + _length(size))

    def update(self, data: bytes) -> None:
        self.update_file(data)
        self.update_nar(data)

    def update_file(self, data: bytes) -> None:
        """One half of `update`; the other one may run at the same time, in another thread."""
        self._seen += len(data)
        self._file.update(data)

    def update_nar(self, data: bytes) -> None:
        self._nar.update(data)

    def digests(self) -> tuple[Sha256, NarHash]:
        """Raises ValueError when other than `size` bytes were given."""
        if self._seen != self.size:
            raise ValueError(f"{self._seen} bytes of a file of {self.size}")
        nar = self._nar.copy()
        nar.update(bytes(-self.size % 8) + _string(")"))
        return Sha256(self._file.hexdigest()), NarHash(nar.hexdigest())


def _length(size: int) -> bytes:
    return size.to_bytes(8, "little")


def _string(text: str) -> bytes:
    data = text.encode("ascii")
    return _length(len(data)) + data + bytes(-len(data) % 8)
