"""Where fixed outputs are to be had besides their own addresses: by their digest alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from orchestrator.ground.digest import NarHash, OtherDigest, Sha256
from orchestrator.ground.values import dataclass


class Supply(Protocol):
    """A place that gives bytes by a digest. Nobody believes it: what comes is hashed."""

    @property
    def place(self) -> str:
        """What it is called."""

    def read(self, digest: Sha256 | NarHash | OtherDigest) -> Iterator[bytes]:
        """A flat file's bytes, or the NAR of a folder, as the digest is of either.

        Raises Absent where it has none, Unreachable with another reason.
        """


@dataclass(frozen=True, slots=True)
class Located:
    """A fixed output that was lacking, and where it was found."""

    name: str
    digest: Sha256 | NarHash | OtherDigest
    place: str
