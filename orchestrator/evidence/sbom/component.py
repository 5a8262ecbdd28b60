"""A component of a bill of materials: one thing with a name, and a digest where one was observed. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from orchestrator.ground.digest import NarHash, OtherDigest, Sha256

Digest = Sha256 | NarHash | OtherDigest
_STANDARD: Final = frozenset({"md5", "sha1", "sha256", "sha384", "sha512"})


class Role(StrEnum):
    """How a component came to be where it is."""

    ARTIFACT = "artifact"
    """The flat file that users download, which every builder made."""
    PRODUCT = "product"
    """A store path that was asked for, which every builder made: what is packed in the artifact."""
    BUILT = "built"
    """An input that every builder made in the run of a release."""
    BELIEVED = "believed"
    """An input from a binary cache, by a signature that is believed; nobody here built it."""
    OUTPUT = "output"
    """A derivation's output. Nobody says here who built it."""
    SOURCE = "source"
    """Fetched: what a recipe is made from."""
    DEPENDENCY = "dependency"
    """Fetched: what a lock file of the project pins."""
    TOOLCHAIN = "toolchain"
    """Fetched: what a recipe is made with."""
    FETCHED = "fetched"
    """Fetched by somebody's own derivation, which does not say which of the two it is."""
    FILE = "file"
    """Put into the store when the derivation was made."""
    PATH = "path"
    """A store path in a runtime closure. No derivation was read that makes it."""
    VENDORED = "vendored"
    """One of several packages within another component."""
    LINKED = "linked"
    """A package whose code is in another component, as that says itself."""


@dataclass(frozen=True, slots=True)
class Component:
    """One component. What nobody observed is None or empty, and no rendering claims it."""

    ref: str
    """Unique in its bill: a store path where it has one, else a word of ours."""
    name: str
    """From the package URL, the recipe, or the derivation's `pname`; else from the store path."""
    role: Role
    version: str | None = None
    """From where the name is from."""
    path: str | None = None
    """Its store path (`/nix/store/…`)."""
    digest: Digest | None = None
    """Of the NAR: hashed by builders, or in the database of the store that was asked. Of a fetched file: what
    its derivation promises, so that Nix accepts no other bytes."""
    file_name: str | None = None
    """The name of the file that the digest is of, when that is a flat file."""
    output: str | None = None
    """The name of the derivation's output, when it is not `out`."""
    derivation: str | None = None
    """The `.drv` that makes it, or that the store names as its deriver."""
    uris: tuple[str, ...] = ()
    """Addresses that it can be fetched from, in the order in which they are tried."""
    purl: str | None = None
    license: str | None = None
    """An SPDX expression, from a recipe or a Debian copyright file. Checked when it is rendered."""
    license_text: str = ""
    """Whose copyright file has the texts of its licence, as words."""
    summary: str | None = None
    homepage: str | None = None
    supplier: str | None = None
    """Who it came from: the host of a fetched file, or the key that the store's signature of it is by."""
    cpes: tuple[str, ...] = ()
    """Candidates (CPE 2.3), from the derivation's own metadata alone."""
    position: str | None = None
    """Where the expression is that made it, as nixpkgs's `meta.position` says: `FILE:LINE`."""
    executable: bool = False
    """Whether programs were seen in it. Where they were not, nobody may have looked."""
    notes: tuple[str, ...] = ()
    """What no field has, as sentences."""

    @property
    def told_digest(self) -> Digest | None:
        """The digest, where its algorithm has a name in every form."""
        return self.digest if self.digest is not None and algorithm(self.digest) in _STANDARD else None

    @property
    def hashed_file(self) -> str | None:
        """The name of the file whose digest it has: a NAR counts as the file that it would be."""
        if self.digest is None:
            return None
        if is_nar(self.digest) and self.path is not None:
            return f"{self.path.rsplit('/', 1)[-1]}.nar"
        return self.file_name


def is_nar(digest: Digest) -> bool:
    """Whether a digest is of a NAR, and not of a flat file's bytes."""
    return isinstance(digest, NarHash) or (isinstance(digest, OtherDigest) and digest.nar)


def algorithm(digest: Digest) -> str:
    """`sha256`, or another algorithm as Nix spells it."""
    return digest.algorithm if isinstance(digest, OtherDigest) else "sha256"
