"""Store paths of texts, computed: a `.drv` whose bytes were changed no longer has the path it lies at. Pure.

The rules are those of Nix's manual, "Complete Store Path Calculation".
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence

from orchestrator.ground.values import dataclass

_DIGITS = "0123456789abcdfghijklmnpqrsvwxyz"
_PAIRS = [first + second for first in _DIGITS for second in _DIGITS]
_LENGTH = 20
"""Bytes that a store path keeps of a sha256."""
_WRITTEN = re.compile(rf"/nix/store/[{_DIGITS}]{{32}}-[0-9A-Za-z+._?=-]{{1,211}}")


def is_store_path(text: str) -> bool:
    """Whether it is written as Nix writes the path of something in its store, which lies right in there."""
    return _WRITTEN.fullmatch(text) is not None


def text_path(name: str, data: bytes, references: Iterable[str]) -> str:
    """Where `builtins.toFile`, and Nix for a derivation, puts a text with these references."""
    return _text_path(name, hashlib.sha256(data).hexdigest(), references)


def _text_path(name: str, sha256: str, references: Iterable[str]) -> str:
    return store_path(":".join(["text", *sorted(set(references))]), sha256, name)


def source_path(name: str, nar_sha256: str, references: Iterable[str]) -> str:
    """Where Nix puts a file or a folder that an expression names, with these references."""
    return store_path(":".join(["source", *sorted(set(references))]), nar_sha256, name)


def flat_path(name: str, sha256: str) -> str:
    """Where Nix puts one file by the sha256 of its bytes, as `nix-store --add-fixed sha256` does."""
    return fixed_path(name, "sha256", sha256, recursive=False)


def fixed_path(name: str, algorithm: str, digest: str, *, recursive: bool) -> str:
    """Where Nix puts a fixed output, by its digest (hexadecimal)."""
    if recursive and algorithm == "sha256":
        return source_path(name, digest, ())
    method = "r:" if recursive else ""
    whole = hashlib.sha256(f"fixed:out:{method}{algorithm}:{digest}:".encode()).hexdigest()
    return store_path("output:out", whole, name)


@dataclass(frozen=True, slots=True)
class ByContent:
    """What the path of a source was computed from, besides its name, where that is not its NAR hash alone."""

    method: str
    """`text`: as `text_path` does; `flat`: as `flat_path` does; `source`: as `source_path` does."""
    sha256: str | None
    """Of the file, in hexadecimal; None: its NAR hash counts."""
    references: Sequence[str] = ()

    def path(self, name: str, nar_sha256: str) -> str | None:
        """Where something of this name and NAR hash has to be; None: by no rule of Nix's."""
        match self.method, self.sha256:
            case "text", str() as digest:
                return _text_path(name, digest, self.references)
            case "flat", str() as digest if not self.references:
                return flat_path(name, digest)
            case "source", None:
                return source_path(name, nar_sha256, self.references)
            case _:
                return None


def store_path(kind: str, digest: str, name: str) -> str:
    """The path of what is of this kind, and has this sha256 (hexadecimal)."""
    fingerprint = f"{kind}:sha256:{digest}:/nix/store:{name}"
    whole = hashlib.sha256(fingerprint.encode()).digest()
    folded = int.from_bytes(whole[:_LENGTH], "little") ^ int.from_bytes(whole[_LENGTH:], "little")
    return f"/nix/store/{base32(folded.to_bytes(_LENGTH, 'little'))}-{name}"


def base32(data: bytes) -> str:
    """Nix's own base32: over the bits from the other end, without the letters e, o, t and u."""
    number = int.from_bytes(data, "little")
    length = (len(data) * 8 + 4) // 5
    pairs = [_PAIRS[(number >> (10 * place)) & 1023] for place in reversed(range((length + 1) // 2))]
    return "".join(pairs)[-length:]
