"""What a reproduction statement says of the release that was made again: docs/predicates. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.evidence.canonical import MalformedError, member
from orchestrator.evidence.terms import RELEASE_INDEX
from orchestrator.ground.digest import Sha256
from orchestrator.ground.values import dataclass


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A release that was made again from its own contents: docs/predicates/reproduction.md."""

    index: Sha256
    """The digest of its release.json, which has every file of it by digest."""
    verified: bool
    """Whether it had passed the rebuilder's policy before."""

    def document(self) -> dict[str, Any]:
        release = {"name": RELEASE_INDEX, "digest": {"sha256": self.index.hex}}
        return {"release": release, "verified": self.verified}


def rebuilt_in(predicate: Mapping[str, Any], what: str) -> Rebuilt | None:
    """The release that a reproduction statement says was made again; None: it tells of the maker's builds.

    Every assertion has to be about the same one. Raises MalformedError.
    """
    attributes = member(predicate, "attributes", list, what)
    found = [_rebuilt(member(each, "conditions", dict, what), what) for each in attributes]
    if any(each != found[0] for each in found):
        raise MalformedError(f"{what} is about several releases that were made again")
    return found[0] if found else None


def _rebuilt(conditions: Mapping[str, Any], what: str) -> Rebuilt | None:
    if "rebuild" not in conditions:
        return None
    said = member(conditions, "rebuild", dict, what)
    digest = member(member(member(said, "release", dict, what), "digest", dict, what), "sha256", str, what)
    try:
        return Rebuilt(Sha256(digest), member(said, "verified", bool, what))
    except ValueError as error:
        raise MalformedError(f"{what}: {error}") from None
