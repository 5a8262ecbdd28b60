"""What a builder's link says of inputs that nobody rebuilt: by whose signature each is believed. Pure.

Field by field: docs/predicates/links.md, `byproducts.believed`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from orchestrator.evidence.canonical import MalformedError, member
from orchestrator.ground.values import dataclass
from orchestrator.nix.signature import PublicKey, fingerprint

if TYPE_CHECKING:  # who only reads evidence needs nothing of how it is made
    from orchestrator.evidence.materials import Material
    from orchestrator.ground.digest import NarHash

_TEXT = frozenset({str})


@dataclass(frozen=True, slots=True)
class Belief:
    """By whose signature a link has a store path believed."""

    key: PublicKey
    signature: str
    """`NAME:BASE64`."""
    nar_size: int
    references: tuple[str, ...]
    """As they were signed: sorted, the path itself among them where it refers to itself."""

    def is_over(self, path: str, nar_hash: NarHash) -> bool:
        """Whether the key has signed these bytes under this path."""
        return self.key.verifies(
            self.signature, fingerprint(path, nar_hash, self.nar_size, list(self.references))
        )


def told(materials: Iterable[Material]) -> dict[str, Any]:
    """Store path to its belief, as a link has it.

    The cache's address is not there: a builder got the bytes from the orchestrator, and cannot see it.
    """
    return {
        each.path: {
            "key": each.believed.key.text,
            "signature": each.believed.signature,
            "narSize": each.believed.nar_size,
            "references": list(each.believed.references),
        }
        for each in materials
        if each.believed is not None
    }


def read(said: Mapping[str, Any], what: str) -> Mapping[str, Belief]:
    """The beliefs of a link, by store path. Raises MalformedError."""
    return {path: _belief(member(dict(said), path, dict, what), f"{what}: {path}") for path in said}


def _belief(said: dict[str, Any], what: str) -> Belief:
    references = member(said, "references", list, what)
    if not _TEXT.issuperset(map(type, references)):
        raise MalformedError(f"{what} has references that are no list of texts")
    try:
        key = PublicKey.parse(member(said, "key", str, what))
    except ValueError as error:
        raise MalformedError(f"{what} names no key: {error}") from None
    size = member(said, "narSize", int, what)
    return Belief(key, member(said, "signature", str, what), size, tuple(references))
