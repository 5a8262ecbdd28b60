"""Digests as types, so that the sha256 of a file is never taken for the hash of a NAR."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

_HEX = re.compile(r"[0-9a-f]{64}")
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, order=True)
class _Sha256:
    """A sha256 as 64 lower-case hexadecimal digits. Raises ValueError for anything else."""

    hex: str

    def __post_init__(self) -> None:
        if not _HEX.fullmatch(self.hex):
            raise ValueError(f"not a sha256 in lower-case hexadecimal: {self.hex!r}")

    def __str__(self) -> str:
        return f"sha256:{self.hex}"

    @classmethod
    def of(cls, data: bytes) -> Self:
        return cls(hashlib.sha256(data).hexdigest())


@dataclass(frozen=True, slots=True, order=True)
class Sha256(_Sha256):
    """The sha256 of a flat file's bytes: what `sha256sum` prints."""

    @classmethod
    def of_stream(cls, stream: BinaryIO) -> Self:
        digest = hashlib.sha256()
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
        return cls(digest.hexdigest())

    @classmethod
    def of_file(cls, path: Path) -> Self:
        with path.open("rb") as stream:
            return cls.of_stream(stream)


@dataclass(frozen=True, slots=True, order=True)
class NarHash(_Sha256):
    """The sha256 of a store object's NAR serialisation, never of a file."""
