"""Digests as types, so that the sha256 of a file is never taken for the hash of a NAR."""

from __future__ import annotations

import binascii
import hashlib
import re
from base64 import b64decode, b64encode
from pathlib import Path
from typing import BinaryIO, Self

from orchestrator.ground.values import dataclass
from orchestrator.ground.wording import counted

_HEX = re.compile(r"[0-9a-f]{64}")
_CHUNK = 1 << 20
_BASE32 = "0123456789abcdfghijklmnpqrsvwxyz"
"""Nix's own digits, without e, o, t and u. It is not the base32 of RFC 4648."""
_EXPECTED = "expected a sha256 as 64 lower-case hexadecimal digits"
_LENGTHS = {32: "an md5", 40: "a sha1", 96: "a sha384", 128: "a sha512"}
_PREFIX = re.compile(r"(md5|sha1|sha256|sha384|sha512)[:-](.*)", re.DOTALL | re.IGNORECASE)


class NotSha256(ValueError):
    """A text that is no sha256 in any of its forms."""


def hexadecimal(text: str) -> str:
    """A sha256 as people and tools write it, as 64 lower-case hexadecimal digits.

    It may be in hexadecimal (capitals too), in base64 as in the W3C's Subresource Integrity, section 3.5
    (`sha256-…=`), or in Nix's base32, each with or without `sha256:` in front.
    Raises NotSha256 with what was expected, and whose digest it looks like.
    """
    algorithm, rest = found.groups() if (found := _PREFIX.fullmatch(text)) else ("sha256", text)
    if algorithm.lower() != "sha256":
        raise NotSha256(f"{_EXPECTED}, got a {algorithm.lower()}")
    if re.fullmatch(r"[0-9A-Fa-f]+", rest) and len(rest) != 52:
        if len(rest) == 64:
            return rest.lower()
        kind = _LENGTHS.get(len(rest))
        raise NotSha256(
            f"{_EXPECTED}, got {counted(len(rest), 'digit')}" + (f", the length of {kind}" if kind else "")
        )
    octets = {52: _of_base32, 44: _of_base64}.get(len(rest), lambda _: None)(rest)
    if octets is None:
        raise NotSha256(f"{_EXPECTED}, got {text[:80]!r}")
    return octets.hex()


def _of_base32(text: str) -> bytes | None:
    """The first digit is the last one of the number; its upper four bits have no place in 32 bytes."""
    if not set(text) <= set(_BASE32):
        return None
    number = 0
    for digit in text:
        number = number << 5 | _BASE32.index(digit)
    return number.to_bytes(32, "little") if number < 1 << 256 else None


def _of_base64(text: str) -> bytes | None:
    try:
        octets = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return octets if len(octets) == 32 and b64encode(octets).decode() == text else None


@dataclass(frozen=True, slots=True)
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

    @classmethod
    def read(cls, text: str) -> Self:
        """A digest that a person typed or pasted, in any form of `hexadecimal`. Raises ValueError."""
        return cls(hexadecimal(text))


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class NarHash(_Sha256):
    """The sha256 of a store object's NAR serialisation, never of a file."""


@dataclass(frozen=True, slots=True)
class OtherDigest:
    """A digest by another algorithm: what a derivation promises. It is told, and never signed for."""

    algorithm: str
    """As Nix spells it: `sha1`, `sha512`, `md5`, …"""
    hex: str
    nar: bool
    """Whether it is of the path's NAR; else of a flat file's bytes."""
