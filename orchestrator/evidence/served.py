"""What is said of a file that a registry serves, beside what its source makes. Pure.

Identical: the reproduction statement, with what was served. Same contents:
a predicate of its own, which no client takes for that one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.evidence.agreement_record import agreement, identity
from orchestrator.evidence.canonical import render
from orchestrator.evidence.facts import ReleaseFacts, ReleaseFile
from orchestrator.evidence.surroundings import surroundings
from orchestrator.evidence.terms import (
    IN_TOTO_PAYLOAD,
    ORCHESTRATOR,
    SAME_CONTENTS,
    SAME_CONTENTS_ATTRIBUTE,
    STATEMENT,
)
from orchestrator.ground.digest import Sha256
from orchestrator.served.grade import SameContents
from orchestrator.served.settings import Setting


@dataclass(frozen=True, slots=True)
class Served:
    """What a registry serves, and how it was made again."""

    purl: str
    file: str
    sha256: Sha256
    settings: Sequence[Setting]

    def document(self) -> dict[str, Any]:
        return {
            "package": self.purl,
            "file": {"name": self.file, "digest": {"sha256": self.sha256.hex}},
            "settings": [each.document() for each in self.settings],
        }


def same_contents(
    facts: ReleaseFacts, links: Mapping[str, ReleaseFile], served: Served, grade: SameContents
) -> bytes:
    """The statement as the payload of an envelope, about the served file. Raises KeyError for a lacking link.

    `facts` are of what was made, which is named in the predicate, and is no subject.
    """
    builders = []
    for report in facts.agreed.reports:
        link = links[report.identity.name]
        shown = {} if report.surroundings is None else {"surroundings": surroundings(report.surroundings)}
        builders.append(
            {
                "builder": identity(report.identity),
                **shown,
                "evidence": {
                    "name": link.path,
                    "digest": {"sha256": link.sha256.hex},
                    "mediaType": IN_TOTO_PAYLOAD,
                },
            }
        )
    predicate = {
        "attribute": SAME_CONTENTS_ATTRIBUTE,
        "served": served.document(),
        "made": {"name": facts.artifact.file_name, "digest": {"sha256": facts.artifact.sha256.hex}},
        "container": [each.document() for each in grade.remarks],
        "identicalWithTimesOf": list(grade.with_times),
        "agreement": agreement(facts),
        "builders": builders,
        "producer": {"uri": ORCHESTRATOR},
    }
    return render(
        {
            "_type": STATEMENT,
            "subject": [{"name": served.file, "digest": {"sha256": served.sha256.hex}}],
            "predicateType": SAME_CONTENTS,
            "predicate": predicate,
        }
    )
