"""Publishing into a registry: the artifact under the tag, and the release and its evidence attached to it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final, TypeVar

from orchestrator.bundles import own_bundle
from orchestrator.evidence import statement
from orchestrator.evidence.canonical import MalformedError
from orchestrator.evidence.oci import EMPTY, IMAGE
from orchestrator.evidence.statement import Statement
from orchestrator.evidence.terms import BUNDLES, PROVENANCE, PUBLISHED
from orchestrator.ground.digest import Sha256
from orchestrator.ground.download import Downloader
from orchestrator.ground.errors import TallyError
from orchestrator.ground.plainly import why
from orchestrator.ground.values import replace
from orchestrator.ground.wording import counted
from orchestrator.policy.verdict import Refused
from orchestrator.publishing.destinations.destination import Others, Outgoing, Sign
from orchestrator.publishing.folder import DOCUMENT_LIMIT
from orchestrator.publishing.index import INDEX
from orchestrator.publishing.manners import MANNERS
from orchestrator.publishing.reference import Registry
from orchestrator.publishing.registry import manifests
from orchestrator.publishing.registry.archive import Image, image_in
from orchestrator.publishing.registry.connection import Body
from orchestrator.publishing.registry.manifests import (
    BUNDLE,
    MANIFEST_LIMIT,
    PREDICATE,
    RELEASE,
    SBOM_TYPES,
    Manifest,
)
from orchestrator.publishing.registry.repository import Repository

T = TypeVar("T")

_BUNDLES: Final = "attestations/"
_STATEMENT_LIMIT: Final = 1 << 20


class RegistryRepository:
    """A repository, and the tag that a release has there: its own name, unless the reference has one."""

    def __init__(
        self,
        reference: Registry,
        locations: Sequence[str] = (),
        *,
        move_tag: bool = False,
        http: Downloader | None = None,
    ) -> None:
        self._reference, self._locations, self._moves = reference, locations, move_tag
        self._repository = Repository(reference, http or Downloader(manners=MANNERS), push=True)
        self._image: Image | None = None

    def refuse_unusable(self) -> None:
        """One that is named by a digest, or that cannot be asked."""
        if self._reference.digest is not None:
            raise TallyError(
                f"{self._reference} is what is there already", hint="name a tag, or the repository alone"
            )
        self._repository.tags()

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Nobody can be kept out of a registry: what is there is looked at again where that matters."""
        yield

    def holds(self, release: Outgoing) -> bool:
        """By what the tag names. Another artifact or release there is refused, unless the tag may move."""
        artifact, own = self._artifact(release), self._release(release)
        there = self._there(self._tag(release))
        if there is None or self._refuse_another(there, release):
            return False
        return own.digest in self._attached(artifact)

    def others(self, release: Outgoing) -> Others | None:
        """Those attached to the artifact, which has one manifest however many releases there are of it."""
        attached = self._attached(self._artifact(release))
        if not attached or self._release(release).digest in attached:
            return None
        named = (replace(self._reference, tag=None, digest=each) for each in sorted(attached, key=str))
        return Others(tuple(named), lambda: self._point(release))

    def _point(self, release: Outgoing) -> tuple[Registry, bool]:
        tag = self._tag(release)
        there = self._there(tag)
        if there is not None:
            self._refuse_another(there, release)
        return replace(self._reference, tag=tag), self._settle(tag, self._artifact(release))

    def _attached(self, artifact: Manifest) -> set[Sha256]:
        """The manifests of the releases that refer to an artifact."""
        return {
            each.digest for each in self._told(lambda: self._repository.referrers(artifact.digest, RELEASE))
        }

    def _refuse_another(self, there: Manifest, release: Outgoing) -> bool:
        """Whether a tag names another artifact. Raises TallyError where it does, and may not be moved."""
        if there.digest == self._artifact(release).digest:
            return False
        if not self._moves:
            raise TallyError(
                f"{self._reference.name}:{self._tag(release)} is another artifact: the tag names the "
                f"manifest {there.digest}, and this one would be {self._artifact(release).digest}",
                hint="publish under another tag; --move-tag moves the tag to another artifact, and leaves "
                "what it was under a tag of its own",
            )
        self._has_was(self._tag(release), there)  # refused before the first byte
        return True

    def _has_was(self, tag: str, there: Manifest) -> bool:
        """Whether what a tag was has a tag of its own. Raises TallyError where that names something else."""
        name = _was(tag, there)
        kept = self._there(name)
        if kept is not None and kept.digest != there.digest:
            raise TallyError(
                f"{self._reference.name}:{tag} cannot be moved: what it was, {there.digest}, is to keep the "
                f"tag {name}, and that is there and names {kept.digest}",
                hint="publish under another tag, or see who set that one; nothing was changed",
            )
        return kept is not None

    def put(self, release: Outgoing, paths: Sequence[str]) -> None:
        """Each file as a blob by its own digest; of an image its parts, too."""
        blobs: dict[Sha256, tuple[int, Body]] = {}
        for path in paths:
            digest, size = release.measured[path]
            blobs[digest] = size, partial(release.body, path)
            if path == release.index.artifact and (image := self._image_of(release)) is not None:
                blobs |= {
                    each.digest: (each.size, partial(_told_chunks, image, each)) for each in image.blobs
                }
        self._repository.put_blobs(blobs)

    def supply(self, release: Outgoing) -> bool:
        """Each as a blob by the digest of its bytes. What names them is attached with the evidence."""
        listing = release.listing
        if listing is None:
            return False
        self._sources(release, self._artifact(release))  # before the first byte
        for each in release.inputs:
            self._repository.put_blob(each.input.sha256, each.input.size, each.chunks)
        self._repository.put_blob(Sha256.of(listing), len(listing), lambda: iter((listing,)))
        return False

    def finish(self, release: Outgoing, sign: Sign) -> tuple[Registry, bool]:
        """The artifact by its digest, all that refers to it, and then the tag."""
        artifact, own = self._artifact(release), self._release(release)
        tag = self._tag(release)
        self._repository.put_blob(Sha256.of(EMPTY), len(EMPTY), lambda: iter((EMPTY,)))
        self.put(release, (INDEX,))
        self._repository.put_manifest(artifact)
        located = self._located(release, artifact, sign)
        sources = self._sources(release, artifact)
        more = [each for each in (located, sources) if each is not None]
        attached = [*self._evidence(release, artifact), *more, own]
        known = self._known(artifact, {each.artifact_type for each in attached if each.artifact_type})
        missing = [each for each in attached if each.digest not in known]
        self._told(lambda: self._repository.attach(artifact.digest, missing))
        if missing:
            self._refuse_lost(artifact, missing)
        moved = self._settle(tag, artifact)
        return replace(self._reference, tag=tag), bool(missing) or moved

    def _settle(self, tag: str, artifact: Manifest) -> bool:
        """Let the tag name the artifact; whether it did not."""
        there = self._there(tag)
        if there is not None and there.digest == artifact.digest:
            return False
        if there is not None:
            if not self._moves:
                raise TallyError(
                    f"{self._reference.name}:{tag} was set to {there.digest} meanwhile, by somebody else",
                    hint="see who publishes there; --move-tag moves it",
                )
            if not self._has_was(tag, there):
                self._repository.put_manifest(there, _was(tag, there))
        self._repository.put_manifest(artifact, tag)
        return True

    def _refuse_lost(self, artifact: Manifest, attached: Sequence[Manifest]) -> None:
        """Raises TallyError where the registry took what refers to the artifact, and does not tell of it."""
        known = self._known(artifact, {each.artifact_type for each in attached if each.artifact_type})
        if lost := [each for each in attached if each.digest not in known]:
            raise TallyError(
                f"{self._reference} took {counted(len(attached), 'attachment')} and does not tell of "
                f"{len(lost)} of them, as {lost[0].digest} ({lost[0].artifact_type})",
                hint="run the command again, or ask its operator; the tag was not set",
            )

    def _known(self, artifact: Manifest, kinds: set[str]) -> set[Sha256]:
        return {
            each.digest
            for kind in sorted(kinds)
            for each in self._told(lambda kind=kind: self._repository.referrers(artifact.digest, kind))  # type: ignore[misc]
        }

    def _evidence(self, release: Outgoing, artifact: Manifest) -> Iterator[Manifest]:
        """The bundles and SBOMs, each attached for itself."""
        created = self._created(release)
        for path in sorted(release.index.files):
            if path.startswith(_BUNDLES):
                data = b"".join(release.chunks(path))
                yield manifests.bundle(data, _statement(data, path).predicate_type, created, artifact)
            elif path.startswith("sbom/") and path.endswith(tuple(SBOM_TYPES)):
                yield manifests.sbom(path, release.index, artifact)

    def _created(self, release: Outgoing) -> str | None:
        """When the release was made, as its provenance says: the same in every run."""
        path = BUNDLES[PROVENANCE]
        predicate = _statement(b"".join(release.chunks(path)), path).predicate
        found = predicate.get("runDetails", {}).get("metadata", {}).get("finishedOn")
        return found if isinstance(found, str) else None

    def _located(self, release: Outgoing, artifact: Manifest, sign: Sign) -> Manifest | None:
        """The signed statement of where the artifact's manifest is: what cosign verifies by the reference."""
        before: bytes | None = None
        for each in self._told(lambda: self._repository.referrers(artifact.digest, BUNDLE)):
            if each.annotations.get(PREDICATE) == PUBLISHED and before is None:
                before = self._repository.bundle(str(each.digest), _STATEMENT_LIMIT)
        here = f"oci://{self._reference.name}@{artifact.digest}"
        data = sign(before, [here, *self._locations], {self._reference.name: artifact.digest.hex})
        if data is None:
            return None
        self._repository.put_blob(Sha256.of(data), len(data), lambda: iter((data,)))
        return manifests.bundle(data, PUBLISHED, self._created(release), artifact)

    def _tag(self, release: Outgoing) -> str:
        return self._reference.tag or re.sub(r"[^A-Za-z0-9._-]", "_", release.name).lstrip(".-")[:128]

    def _artifact(self, release: Outgoing) -> Manifest:
        image = self._image_of(release)
        return manifests.artifact(release.index) if image is None else image.manifest

    def _release(self, release: Outgoing) -> Manifest:
        found = manifests.release(release.index, release.name, self._artifact(release))
        if len(found.data) > MANIFEST_LIMIT:
            raise TallyError(
                f"{release.name} has more files than a manifest holds that registries take",
                hint="publish it elsewhere, as into a static folder",
            )
        return found

    def _sources(self, release: Outgoing, artifact: Manifest) -> Manifest | None:
        listing = release.listing
        if listing is None:
            return None
        found = manifests.sources(listing, [each.input for each in release.inputs], artifact)
        if len(found.data) > MANIFEST_LIMIT:
            raise TallyError(
                f"{release.name} has more sources than a manifest holds that registries take",
                hint="publish them elsewhere, as into a static folder",
            )
        return found

    def _image_of(self, release: Outgoing) -> Image | None:
        if not release.index.artifact.endswith(IMAGE):
            return None
        if self._image is None:
            path = release.folder.path / release.index.artifact
            try:
                self._image = image_in(path)
            except (MalformedError, OSError) as error:
                raise TallyError(f"{path}: {why(error)}", hint="publish it elsewhere") from error
        return self._image

    def _there(self, tag: str) -> Manifest | None:
        return self._told(lambda: self._repository.manifest(tag))

    def _told(self, work: Callable[[], T]) -> T:
        """What a registry contradicts itself in is an error here, and no verdict."""
        try:
            return work()
        except Refused as refused:
            raise TallyError(
                f"{self._reference}: {refused.reasons[0].sentence}", hint="ask its operator"
            ) from refused


def _was(tag: str, there: Manifest) -> str:
    """The tag of what a tag was."""
    return f"{tag[:100]}-was-{there.digest.hex[:12]}"


def _statement(data: bytes, path: str) -> Statement:
    if len(data) > DOCUMENT_LIMIT:
        raise TallyError(f"{path} is too large")
    try:
        return statement.parse(own_bundle.parse(data, path).envelope.payload, path)
    except MalformedError as error:
        raise TallyError(f"{path}: {error}") from error


def _told_chunks(image: Image, blob: manifests.Descriptor) -> Iterator[bytes]:
    try:
        yield from image.chunks(blob)
    except (MalformedError, OSError) as error:
        raise TallyError(f"{image.path}: {why(error)}", hint="run the command again") from error
