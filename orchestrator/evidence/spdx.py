"""The SBOM: SPDX 2.3 as JSON, over the build-time and the runtime closure. Pure, and linear in their size.

Specification: https://spdx.github.io/spdx-spec/v2.3/. Our choices, field by field: docs/predicates/spdx.md.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from orchestrator import __version__
from orchestrator.evidence import spdx_packages, spdx_relationships
from orchestrator.evidence.canonical import render, render_document
from orchestrator.evidence.facts import ReleaseFacts, ReleaseFile, seconds
from orchestrator.evidence.licences import extracted
from orchestrator.evidence.materials import Material
from orchestrator.evidence.spdx_packages import ARTIFACT
from orchestrator.evidence.terms import SBOM_NAMESPACE

_NAMESPACE = uuid.UUID("5a4b0b5e-6c0e-5d0c-9a34-6f3d7f1c2b10")
"""Of our name-based UUIDs (RFC 9562, section 5.5); its value has no meaning."""
_LATEST = 253402300799  # 9999-12-31T23:59:59Z: what four digits of a year can hold


def document(facts: ReleaseFacts, materials: Sequence[Material]) -> dict[str, Any]:
    """The SPDX document. The same build gives the same document, whenever it ran and whoever ran it."""
    packages = spdx_packages.packages(facts, materials)
    found: dict[str, Any] = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": facts.release_name,
        "creationInfo": {
            "created": _created(facts),
            "creators": [f"Tool: tallystick-{__version__}"],
            "comment": "`created` is the build's SOURCE_DATE_EPOCH, so that building again gives the same "
            "document; when the builds ran is in the provenance.",
        },
        "packages": packages,
        "relationships": [
            _relationship("SPDXRef-DOCUMENT", "DESCRIBES", ARTIFACT),
            *(_relationship(*edge) for edge in spdx_relationships.relationships(facts, materials)),
        ],
    }
    if infos := extracted(facts, materials):
        found["hasExtractedLicensingInfos"] = infos
    digest = uuid.uuid5(_NAMESPACE, render(found).decode())
    found["documentNamespace"] = f"{SBOM_NAMESPACE}/{spdx_packages.escaped(facts.release_name)}-{digest}"
    return found


def release_file(facts: ReleaseFacts, sbom: dict[str, Any]) -> ReleaseFile:
    """The document as the file that users find in the release folder."""
    return ReleaseFile.of(f"sbom/{facts.package.name}.spdx.json", render_document(sbom))


def _relationship(element: str, kind: str, related: str) -> dict[str, str]:
    return {"spdxElementId": element, "relationshipType": kind, "relatedSpdxElement": related}


def _created(facts: ReleaseFacts) -> str:
    """SOURCE_DATE_EPOCH of the package's derivation; 1, as in the build's file times, when it has none."""
    text = facts.graph[facts.package_derivation].env.get("SOURCE_DATE_EPOCH", "")
    epoch = int(text) if text.isascii() and text.isdecimal() and len(text) <= 12 else 1
    return seconds(datetime.fromtimestamp(min(epoch, _LATEST), tz=UTC))
