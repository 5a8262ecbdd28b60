"""Where fixed outputs are to be had besides their own addresses: by their digest alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol
from urllib.parse import urlsplit

from orchestrator.ground.digest import NarHash, OtherDigest, Sha256
from orchestrator.ground.values import dataclass


class Supply(Protocol):
    """A place that gives bytes by a digest. Nobody believes it: what comes is hashed."""

    @property
    def place(self) -> str:
        """What it is called."""

    def read(self, name: str, digest: Sha256 | NarHash | OtherDigest) -> Iterator[bytes]:
        """A flat file's bytes, or a folder's NAR, as the digest is of either; the store path has `name`.

        Raises Absent where it has none, Unreachable with another reason.
        """


@dataclass(frozen=True, slots=True)
class Located:
    """A fixed output that was lacking, and where it was found."""

    name: str
    digest: Sha256 | NarHash | OtherDigest
    place: str
    """What the supply is called; or the very address that it was at."""
    own: bool = False
    """Whether it is an address."""

    @property
    def around(self) -> str:
        """What stands for the place where others are named, too: an address's host, or its folder here."""
        if not self.own:
            return self.place
        if self.place.startswith("path:"):
            return "this repository"
        parts = urlsplit(self.place)
        return (
            f"{parts.scheme}://{parts.netloc}"
            if parts.netloc
            else self.place.rpartition("/")[0] or self.place
        )
