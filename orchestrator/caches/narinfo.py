"""What a binary cache says of one store path. Pure.

The format is that of Nix's `NarInfo` (Nix's manual, "Serving a Nix store via HTTP"): lines of `Name: value`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.ground.digest import NarHash
from orchestrator.nix.signature import PublicKey, fingerprint

STORE = "/nix/store/"
LARGEST = 1 << 20
"""Bytes: a path with thousands of references has some hundred KiB."""
_OBJECT = re.compile(r"[0-9a-df-np-sv-z]{32}-[0-9A-Za-z+._?=-]+")
_NUMBER = re.compile(r"[0-9]{1,19}")
_ONCE = frozenset({"StorePath", "URL", "Compression", "FileSize", "NarHash", "NarSize", "References", "CA"})
_NEEDED = ("StorePath", "URL", "NarHash", "NarSize")


@dataclass(frozen=True, slots=True)
class Narinfo:
    """One answer, as it was read: nothing of it is believed yet."""

    path: str
    url: str
    """Where the NAR is, relative to the cache."""
    compression: str
    file_size: int | None
    """In bytes, compressed; None: it does not say."""
    nar_hash: NarHash
    nar_size: int
    references: tuple[str, ...]
    """Store paths, sorted, the path itself among them where it refers to itself."""
    signatures: tuple[str, ...]
    """`NAME:BASE64`, as they are there."""
    fixed: bool = False
    """Whether it says that the path follows from its content: whoever knows that needs nobody's word."""

    @property
    def fingerprint(self) -> str:
        """What a signature is over."""
        return fingerprint(self.path, self.nar_hash, self.nar_size, self.references)

    def signed_by(self, keys: Sequence[PublicKey]) -> tuple[PublicKey, str] | None:
        """The first of `keys` that has signed this, with its signature; None: none of them has."""
        text = self.fingerprint
        for key in keys:
            for signature in self.signatures:
                if key.verifies(signature, text):
                    return key, signature
        return None


def narinfo_name(path: str) -> str:
    """The file in a cache that tells of a store path."""
    return f"{path.removeprefix(STORE)[:32]}.narinfo"


def parse(data: bytes) -> Narinfo:
    """Read one. Raises ValueError with what is wrong, as the second half of a sentence."""
    try:
        fields, signatures = _fields(data.decode("ascii"))
    except UnicodeDecodeError:
        raise ValueError("is no text") from None
    for name in _NEEDED:
        if name not in fields:
            raise ValueError(f"has no {name}")
    path = fields["StorePath"]
    if not path.startswith(STORE) or not _OBJECT.fullmatch(path.removeprefix(STORE)):
        raise ValueError("has a StorePath that is none below /nix/store")
    references = fields.get("References", "").split()
    if not all(map(_OBJECT.fullmatch, references)):
        raise ValueError("has References that are no store paths")
    try:
        nar_hash = NarHash.read(fields["NarHash"])
    except ValueError:
        raise ValueError("has a NarHash that is no sha256") from None
    return Narinfo(
        path=path,
        url=_place(fields["URL"]),
        compression=fields.get("Compression") or "bzip2",  # so in Nix where it is left out
        file_size=_number(fields, "FileSize") if "FileSize" in fields else None,
        nar_hash=nar_hash,
        nar_size=_number(fields, "NarSize"),
        references=tuple(sorted({STORE + each for each in references})),
        signatures=signatures,
        fixed=fields.get("CA", "").startswith("fixed:"),
    )


def _fields(text: str) -> tuple[Mapping[str, str], tuple[str, ...]]:
    fields: dict[str, str] = {}
    signatures = []
    for line in text.splitlines():
        name, mark, value = line.partition(":")
        if not mark:
            raise ValueError("has a line that is not `Name: value`")
        if name == "Sig":
            signatures.append(value.strip())
        elif name in _ONCE:
            if name in fields:
                raise ValueError(f"has {name} twice")
            fields[name] = value.strip()
    return fields, tuple(signatures)


def _number(fields: Mapping[str, str], name: str) -> int:
    if not _NUMBER.fullmatch(fields[name]):
        raise ValueError(f"has a {name} that is no number of bytes")
    return int(fields[name])


def _place(url: str) -> str:
    """Below the cache's own address: a narinfo is not to send us elsewhere."""
    parts = url.split("/")
    if not re.fullmatch(r"[0-9A-Za-z+._=/-]{1,500}", url) or "" in parts or ".." in parts:
        raise ValueError("has a URL that leads out of the cache")
    return url
