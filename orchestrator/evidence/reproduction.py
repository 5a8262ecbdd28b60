"""The claim that independent builders made the same bytes: a SCAI v0.3 attribute report. Pure.

Specification: https://github.com/in-toto/attestation/blob/main/spec/predicates/scai.md.
Our attribute and its conditions, field by field: docs/predicates/reproduction.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.evidence import statement
from orchestrator.evidence.agreement_record import agreement, identity
from orchestrator.evidence.canonical import MalformedError, member
from orchestrator.evidence.facts import ReleaseFacts, ReleaseFile
from orchestrator.evidence.statement import Statement
from orchestrator.evidence.surroundings import surroundings
from orchestrator.evidence.terms import (
    IN_TOTO_PAYLOAD,
    ORCHESTRATOR,
    RELEASE_INDEX,
    REPRODUCIBLE,
    REPRODUCTION,
)
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
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


def reproduction(
    facts: ReleaseFacts, links: Mapping[str, ReleaseFile], rebuilt: Rebuilt | None = None
) -> Statement:
    """The reproduction statement: one assertion per builder, its link as the evidence.

    `links` is builder name to its signed link; `rebuilt` the release that was made again, where that is by
    somebody else than its maker. Raises TallyError when a builder has none.
    """
    target = {"name": facts.artifact.file_name, "digest": {"sha256": facts.artifact.sha256.hex}}
    agreed_on = agreement(facts)
    attributes: list[dict[str, Any]] = []
    for report in facts.agreed.reports:
        link = links.get(report.identity.name)
        if link is None:
            raise TallyError(f"builder {report.identity.name} has no link to show as evidence")
        conditions: dict[str, Any] = {"agreement": agreed_on, "builder": identity(report.identity)}
        if report.surroundings is not None:
            conditions["surroundings"] = surroundings(report.surroundings)
        if rebuilt is not None:
            conditions["rebuild"] = rebuilt.document()
        attributes.append(
            {
                "attribute": REPRODUCIBLE,
                "target": target,
                "conditions": conditions,
                "evidence": {
                    "name": link.path,
                    "digest": {"sha256": link.sha256.hex},
                    "mediaType": IN_TOTO_PAYLOAD,
                },
            }
        )
    return statement.make(facts, REPRODUCTION, {"attributes": attributes, "producer": {"uri": ORCHESTRATOR}})
