"""A bill as SPDX 2.3 JSON. Pure, and linear in its size.

Specification: https://spdx.github.io/spdx-spec/v2.3/. Our choices, field by field: docs/predicates/spdx.md.
"""

from __future__ import annotations

from typing import Any, Final

from orchestrator import __version__
from orchestrator.evidence.canonical import render
from orchestrator.evidence.sbom.bill import Bill, Kind, identity_of
from orchestrator.evidence.sbom.licences import references
from orchestrator.evidence.sbom.spdx2_packages import escaped, identifier_of, package
from orchestrator.evidence.terms import SBOM_NAMESPACE

_DOCUMENT: Final = "SPDXRef-DOCUMENT"
_TYPES: Final[dict[Kind, tuple[str, bool]]] = {
    Kind.GENERATED_FROM: ("GENERATED_FROM", False),
    Kind.PATCHED_BY: ("PATCH_FOR", True),
    Kind.BUILT_WITH: ("BUILD_TOOL_OF", True),
    Kind.BUILD_INPUT: ("BUILD_DEPENDENCY_OF", True),
    Kind.CONTAINS: ("CONTAINS", False),
    Kind.LINKS: ("STATIC_LINK", False),
    Kind.DEPENDS_ON: ("DEPENDS_ON", False),
    Kind.DEVELOPED_WITH: ("DEV_DEPENDENCY_OF", True),
    Kind.REFERS_TO: ("DEPENDS_ON", False),
}
"""Each relation as the specification's table names it (clause 11.1), and whether it goes the other way."""


def document(bill: Bill) -> dict[str, Any]:
    """The SPDX document. The same bill gives the same document. Raises TallyError as `declared` does."""
    ids = {component.ref: identifier_of(component) for component in bill.components}
    found: dict[str, Any] = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": _DOCUMENT,
        "name": bill.name,
        "creationInfo": {
            "created": bill.created,
            "creators": [f"Tool: tallystick-{__version__}"],
            "comment": "`created` is the build's SOURCE_DATE_EPOCH, so that building again gives the same "
            "document; when the builds ran is in the provenance.",
        },
        "packages": [package(component, ids[component.ref]) for component in bill.components],
        "relationships": [
            *(_relationship(_DOCUMENT, "DESCRIBES", ids[ref]) for ref in bill.subjects),
            *(_relationship(*edge) for edge in sorted([_edge(each, ids) for each in bill.relations])),
        ],
    }
    if bill.comment:
        found["comment"] = bill.comment
    if texts := references(bill.components):
        found["hasExtractedLicensingInfos"] = [
            {"licenseId": name, "name": name.removeprefix("LicenseRef-"), "extractedText": text}
            for name, text in texts.items()
        ]
    found["documentNamespace"] = f"{SBOM_NAMESPACE}/{escaped(bill.name)}-{identity_of(render(found))}"
    return found


def _edge(relation: tuple[str, Kind, str], ids: dict[str, str]) -> tuple[str, str, str]:
    element, kind, related = relation
    name, turned = _TYPES[kind]
    return (ids[related], name, ids[element]) if turned else (ids[element], name, ids[related])


def _relationship(element: str, kind: str, related: str) -> dict[str, str]:
    return {"spdxElementId": element, "relationshipType": kind, "relatedSpdxElement": related}
