"""The manifests that a release has in a registry, each of them made from the release alone. Pure.

Specification: OCI image specification 1.1, "manifest.md" (artifact usage) and "image-index.md"; bundles as
cosign 3 attaches them (cosign, `specs/BUNDLE_SPEC.md`). Ours: docs/reference/registry.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from orchestrator.evidence.canonical import MalformedError, member, read, render
from orchestrator.evidence.oci import ARTIFACT, MANIFEST, TITLE, artifact_manifest, document
from orchestrator.ground.digest import Sha256
from orchestrator.ground.values import dataclass, field
from orchestrator.publishing.index import INDEX, Index
from orchestrator.publishing.inputs import LISTING, Input
from orchestrator.publishing.rebuilds import Word

IMAGE_INDEX: Final = "application/vnd.oci.image.index.v1+json"
DOCKER: Final = "application/vnd.docker.distribution.manifest.v2+json"
RELEASE: Final = "application/vnd.tallystick.release.v1"
REBUILD: Final = "application/vnd.tallystick.rebuild.v1"
REBUILT: Final = "dev.tallystick.rebuild.release"
"""Of a rebuild: `sha256:` and the digest of the release.json of what was made again."""
SOURCES: Final = "application/vnd.tallystick.sources.v1"
BUNDLE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
PREDICATE: Final = "dev.sigstore.bundle.predicateType"
CREATED: Final = "org.opencontainers.image.created"
MANIFEST_LIMIT: Final = 1 << 22
"""What registries have to take (distribution specification, "Pushing Manifests"), and all that is read."""
SBOM_TYPES: Final = {
    ".spdx.json": "application/spdx+json",
    ".spdx3.json": "application/spdx+json",
    ".cdx.json": "application/vnd.cyclonedx+json",
}
_TYPES: Final = {
    ".sigstore.json": BUNDLE,
    **SBOM_TYPES,
    ".json": "application/json",
    ".link": "application/vnd.in-toto+json",
    ".layout": "application/vnd.in-toto+json",
    ".zst": "application/zstd",
    ".gz": "application/gzip",
    ".toml": "application/toml",
}


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What names some bytes in a registry."""

    media_type: str
    digest: Sha256
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str | None = None

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "mediaType": self.media_type,
            "digest": str(self.digest),
            "size": self.size,
        }
        if self.annotations:
            found["annotations"] = dict(self.annotations)
        if self.artifact_type:
            found["artifactType"] = self.artifact_type
        return found

    @classmethod
    def parse(cls, value: object, what: str) -> Descriptor:
        """Raises MalformedError."""
        digest = member(value, "digest", str, what)
        try:
            if not digest.startswith("sha256:"):
                raise ValueError(f"{digest[:80]!r} is no sha256")
            found = Sha256(digest.removeprefix("sha256:"))
        except ValueError as error:
            raise MalformedError(f"{what}: {error}") from None
        assert isinstance(value, dict)
        said = value.get("annotations") or {}
        if not isinstance(said, dict) or not all(isinstance(each, str) for each in said.values()):
            raise MalformedError(f"{what} has annotations that are no texts")
        kind = value.get("artifactType")
        return cls(
            member(value, "mediaType", str, what),
            found,
            member(value, "size", int, what),
            said,
            kind if isinstance(kind, str) else None,
        )


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest or an index, as the bytes that its digest is of."""

    data: bytes
    media_type: str = MANIFEST
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str | None = None

    @property
    def digest(self) -> Sha256:
        return Sha256.of(self.data)

    @property
    def descriptor(self) -> Descriptor:
        return Descriptor(self.media_type, self.digest, len(self.data), self.annotations, self.artifact_type)

    def document(self, what: str) -> dict[str, Any]:
        """Raises MalformedError."""
        found = read(self.data, what)
        if not isinstance(found, dict):
            raise MalformedError(f"{what} is no manifest")
        return found


def artifact(index: Index) -> Manifest:
    """The artifact as an OCI artifact: what `oras pull` gets by the tag."""
    data = artifact_manifest(index.artifact, *index.files[index.artifact])
    return Manifest(data, MANIFEST, {TITLE: index.artifact}, ARTIFACT)


def release(index: Index, name: str, subject: Manifest) -> Manifest:
    """The whole release folder: every file is a layer, which has its path for a title."""
    own = Descriptor(f"{RELEASE}+json", Sha256.of(index.data), len(index.data), {TITLE: INDEX})
    layers = [own, *(_layer(path, index) for path in sorted(index.files))]
    return _manifest(RELEASE, layers, subject, {TITLE: name})


def rebuild(word: Word, name: str, subject: Manifest) -> Manifest:
    """A rebuilder's evidence: every file is a layer, which has its path for a title."""
    layers = [
        Descriptor(media_type(each.path), each.sha256, each.size, {TITLE: each.path})
        for each in word.listed.files
    ]
    return _manifest(REBUILD, layers, subject, {TITLE: name, REBUILT: str(word.release)})


def bundle(data: bytes, predicate_type: str, created: str | None, subject: Manifest) -> Manifest:
    """A Sigstore bundle, as `cosign attest` attaches it."""
    annotations = {"dev.sigstore.bundle.content": "dsse-envelope", PREDICATE: predicate_type}
    if created is not None:
        annotations[CREATED] = created
    digest = Sha256.of(data)
    layer = Descriptor(BUNDLE, digest, len(data), {TITLE: f"sha256-{digest.hex}.sigstore.json"})
    return _manifest(BUNDLE, [layer], subject, annotations)


def sbom(path: str, index: Index, subject: Manifest) -> Manifest:
    """An SBOM, under the media type of its form."""
    layer = _layer(path, index)
    return _manifest(layer.media_type, [layer], subject, {TITLE: path.rsplit("/", 1)[-1]})


def sources(listing: bytes, inputs: Sequence[Input], subject: Manifest) -> Manifest:
    """The fixed inputs of a release: a layer each, so that the registry keeps them, and their list."""
    own = Descriptor(f"{SOURCES}+json", Sha256.of(listing), len(listing), {TITLE: LISTING})
    files = {each.path: each for each in inputs}
    layers = [
        Descriptor("application/octet-stream", each.sha256, each.size, {TITLE: path})
        for path, each in sorted(files.items())
    ]
    return _manifest(SOURCES, [own, *layers], subject, {TITLE: LISTING})


def referring(descriptors: Iterable[Descriptor]) -> Manifest:
    """The index under the tag `sha256-DIGEST`, where there are no referrers ("Referrers Tag Schema")."""
    found = {
        "schemaVersion": 2,
        "mediaType": IMAGE_INDEX,
        "manifests": [each.document for each in descriptors],
    }
    return Manifest(render(found), IMAGE_INDEX)


def media_type(path: str) -> str:
    """By how a file's name ends."""
    return next((kind for end, kind in _TYPES.items() if path.endswith(end)), "application/octet-stream")


def _layer(path: str, index: Index) -> Descriptor:
    return Descriptor(media_type(path), *index.files[path], {TITLE: path})


def _manifest(
    kind: str, layers: Iterable[Descriptor], subject: Manifest | None, annotations: Mapping[str, str]
) -> Manifest:
    found = document(kind, [each.document for each in layers], annotations)
    if subject is not None:
        plain = Descriptor(subject.media_type, subject.digest, len(subject.data))
        found["subject"] = plain.document
    return Manifest(render(found), MANIFEST, annotations, kind)
