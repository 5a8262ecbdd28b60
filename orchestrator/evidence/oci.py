"""The artifact's manifest in an OCI registry: the same in every registry, so that statements can be about it.

Clients that verify what a registry has, as cosign, ask for the digest of a manifest, and not of the file. A
change of one byte here is a change of what later releases are about: docs/reference/registry.md.
Specification: OCI image specification 1.1, "manifest.md", "Guidelines for Artifact Usage".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from orchestrator.evidence.canonical import render
from orchestrator.ground.digest import Sha256

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
ARTIFACT: Final = "application/vnd.tallystick.artifact.v1"
TITLE: Final = "org.opencontainers.image.title"
EMPTY: Final = b"{}"
IMAGE: Final = ".oci.tar"
"""How an artifact's name ends that is an archive of an image, whose own manifest it is in a registry."""
_EMPTY_TYPE: Final = "application/vnd.oci.empty.v1+json"
_TYPES: Final = {".gz": "application/gzip", ".zst": "application/zstd"}


def manifest_name(artifact: str) -> str:
    """What statements call the manifest among their subjects."""
    return f"{artifact}.oci-manifest"


def artifact_manifest(name: str, sha256: Sha256, size: int) -> bytes:
    """The manifest of an artifact that is no image: one layer, the file."""
    kind = next((kind for end, kind in _TYPES.items() if name.endswith(end)), "application/octet-stream")
    layer = {
        "mediaType": kind,
        "digest": str(sha256),
        "size": size,
        "annotations": {TITLE: name},
    }
    return render(document(ARTIFACT, [layer], {TITLE: name}))


def document(
    kind: str, layers: Iterable[Mapping[str, Any]], annotations: Mapping[str, str]
) -> dict[str, Any]:
    """An artifact's manifest, by the type of the artifact."""
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": kind,
        "config": {"mediaType": _EMPTY_TYPE, "digest": str(Sha256.of(EMPTY)), "size": len(EMPTY)},
        "layers": list(layers),
        "annotations": dict(annotations),
    }
