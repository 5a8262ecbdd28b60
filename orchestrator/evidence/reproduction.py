"""The claim that independent builders made the same bytes: a SCAI v0.3 attribute report. Pure.

Specification: https://github.com/in-toto/attestation/blob/main/spec/predicates/scai.md.
Our attribute and its conditions, field by field: docs/predicates/reproduction.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from orchestrator.evidence import statement
from orchestrator.evidence.agreement_record import agreement, identity
from orchestrator.evidence.facts import ReleaseFacts, ReleaseFile
from orchestrator.evidence.rebuilt import Rebuilt
from orchestrator.evidence.statement import Statement
from orchestrator.evidence.surroundings import surroundings
from orchestrator.evidence.terms import (
    IN_TOTO_PAYLOAD,
    ORCHESTRATOR,
    REPRODUCIBLE,
    REPRODUCTION,
)
from orchestrator.ground.errors import TallyError

if TYPE_CHECKING:
    from orchestrator.evidence.served import Served


def reproduction(
    facts: ReleaseFacts,
    links: Mapping[str, ReleaseFile],
    rebuilt: Rebuilt | None = None,
    served: Served | None = None,
) -> Statement:
    """The reproduction statement: one assertion per builder, its link as the evidence.

    `links` is builder name to its signed link; `rebuilt` the release that was made again, where that is by
    somebody else than its maker; `served` what a registry serves and is made again. Raises TallyError when a
    builder has none.
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
        if served is not None:
            conditions["served"] = served.document()
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
