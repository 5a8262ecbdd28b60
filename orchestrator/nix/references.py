"""Which store paths a NAR refers to: those whose hash part is somewhere in its bytes, as Nix finds them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

_LENGTH: Final = 32
_RUN: Final = re.compile(rb"[0-9a-df-np-sv-z]{32,}")
_AT: Final = len("/nix/store/")


def by_hash(candidates: Iterable[str]) -> Mapping[bytes, str]:
    """Store paths by their hash parts, as many scans can share them."""
    return {path[_AT : _AT + _LENGTH].encode(): path for path in candidates}


class Scan:
    """Looks for some store paths in bytes that are handed over piece by piece."""

    def __init__(self, candidates: Mapping[bytes, str]) -> None:
        self._wanted = candidates
        self._rest = b""
        self._found: set[str] = set()

    def feed(self, piece: bytes) -> None:
        data = self._rest + piece
        for run in _RUN.finditer(data):
            text = run.group()
            for at in range(len(text) - _LENGTH + 1):
                if (path := self._wanted.get(text[at : at + _LENGTH])) is not None:
                    self._found.add(path)
        self._rest = data[1 - _LENGTH :]

    @property
    def found(self) -> tuple[str, ...]:
        """Sorted."""
        return tuple(sorted(self._found))
