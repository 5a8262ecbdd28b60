"""Fetching from a registry: from an artifact or image to the release that is attached to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from threading import Thread
from typing import TypeVar

from orchestrator.evidence.canonical import MalformedError, member, moment
from orchestrator.evidence.oci import IMAGE, TITLE
from orchestrator.ground.digest import Sha256
from orchestrator.ground.download import Downloader
from orchestrator.ground.errors import TallyError
from orchestrator.ground.values import replace
from orchestrator.ground.wording import some
from orchestrator.policy.verdict import Code, Reason, Refused
from orchestrator.publishing import index
from orchestrator.publishing.folder import INDEX_LIMIT
from orchestrator.publishing.formats import NewerError
from orchestrator.publishing.index import INDEX, Index
from orchestrator.publishing.inputs import LISTING, LISTING_LIMIT
from orchestrator.publishing.manners import MANNERS
from orchestrator.publishing.rebuilds import BUNDLE, WORD_LIMIT
from orchestrator.publishing.reference import Registry
from orchestrator.publishing.registry import manifests
from orchestrator.publishing.registry.archive import image_in
from orchestrator.publishing.registry.manifests import (
    CREATED,
    REBUILD,
    REBUILT,
    RELEASE,
    SOURCES,
    Descriptor,
    Manifest,
)
from orchestrator.publishing.registry.pulling import pull
from orchestrator.publishing.registry.repository import Repository
from orchestrator.publishing.sources.source import (
    Found,
    Release,
    Several,
    Shelf,
    bounded,
    whole,
    whole_index,
)

T = TypeVar("T")


class RegistrySource:
    """The release of an artifact, an image, or itself, in a repository."""

    def __init__(self, reference: Registry, http: Downloader | None = None) -> None:
        self.reference = reference
        self._http = http or Downloader(manners=MANNERS)
        self._repository = Repository(reference, self._http)
        self._named: Manifest | None = None
        self._asking: Thread | None = None
        self._kind: Callable[[], bool] | None = None
        self._found: Callable[[], Found] | None = None

    def __str__(self) -> str:
        return str(self.reference)

    def begin(self) -> None:
        """Ask for what the other methods give, and do not wait for it: they do, and raise what was raised."""

        def ask() -> None:
            self._kind = kind = _outcome(self._may_be_index)

            def find() -> Found:
                kind()  # what it could not be asked once it is not asked again
                return self._find()

            with suppress(TallyError):
                if kind():
                    return
            self._found = _outcome(find)

        self._http.prepare()
        self._asking = Thread(target=ask, daemon=True)
        self._asking.start()

    def may_be_index(self) -> bool:
        """Whether the tag or the digest names an index of images, or what contradicts it.

        What is none `find` begins with. Raises TallyError.
        """
        self._wait()
        return self._may_be_index() if self._kind is None else self._kind()

    def _wait(self) -> None:
        if self._asking is not None:
            self._asking.join()

    def _may_be_index(self) -> bool:
        try:
            self._named = self._repository.manifest(self._name())
        except Refused:
            return True
        return self._named is not None and self._named.media_type == manifests.IMAGE_INDEX

    def find(self) -> Found:
        """By the tag or the digest. Raises as `Source` says."""
        self._wait()
        return self._find() if self._found is None else self._found()

    def _find(self) -> Found:
        named = self._named or self._manifest(self._name())
        try:
            document = named.document(f"the manifest at {self.reference}")
            if document.get("artifactType") == RELEASE:
                release, subject = named, member(document, "subject", dict, "the release's manifest")
                about = Descriptor.parse(subject, "the release's manifest").digest
            else:
                release, about = self._attached(named), named.digest
            found, called = self._index(release, about)
            name = index.name_of(found, called)
        except NewerError as error:
            raise error.at(f"{INDEX} of {self.reference}") from error
        except MalformedError as error:
            raise Refused(Reason(Code.MALFORMED, str(error))) from error
        return Found(
            name,
            found,
            lambda path: self._repository.blob(found.files[path][0]),
            lambda folder: self._same_artifact(found, about, folder),
            Shelf(
                str(self.reference), lambda: self._lists(about), lambda one: self._repository.blob(one.sha256)
            ),
            place=replace(self.reference, tag=None, digest=about),
            rebuilds=lambda: self._rebuilds(about, Sha256.of(found.data)),
        )

    def pull(self, folder: Path) -> bool:
        """Write what is no release of ours as a layout of images; False: it is one, or belongs to one.

        Raises Refused, TallyError, OSError.
        """
        named = self._manifest(self._name())
        with suppress(MalformedError):
            if named.document("the manifest").get("artifactType") == RELEASE:
                return False
        if self._repository.referrers(named.digest, RELEASE):
            return False
        pull(self._repository, named, folder)
        return True

    def _lists(self, about: Sha256) -> Iterator[bytes]:
        """Each list of inputs that is attached to the artifact."""
        for digest in sorted({str(each.digest) for each in self._repository.referrers(about, SOURCES)}):
            what = f"the manifest {digest}"
            try:
                layers = member(self._manifest(digest).document(what), "layers", list, what)
                own = [Descriptor.parse(each, what) for each in layers[:1]]
            except MalformedError as error:
                raise Refused(Reason(Code.MALFORMED, str(error))) from error
            for each in own:
                data = b"".join(bounded(self._repository.blob(each.digest), LISTING_LIMIT, LISTING))
                if Sha256.of(data) != each.digest:
                    why = f"{LISTING} is sent as {Sha256.of(data)}, and is {each.digest}"
                    raise Refused(Reason(Code.DIGEST_MISMATCH, why))
                yield data

    def every(self) -> Iterator[Release]:
        """Each release that is attached to what a tag names, by its manifest's digest."""
        if self.reference.digest is not None:
            yield Release(self.reference, str(self.reference.digest), None)
            return
        seen: set[str] = set()
        for tag in self._repository.every_tag() if self.reference.tag is None else [self.reference.tag]:
            named = self._manifest(tag)
            for each in self._repository.referrers(named.digest, RELEASE):
                if str(each.digest) not in seen:
                    seen.add(str(each.digest))
                    yield Release(
                        replace(self.reference, tag=tag, digest=each.digest),
                        str(each.digest),
                        self._made(named.digest),
                    )

    def _made(self, about: Sha256) -> datetime | None:
        """When what is attached was made, as its bundles are annotated."""
        for each in self._repository.referrers(about, manifests.BUNDLE):
            if (said := each.annotations.get(CREATED)) is not None:
                with suppress(MalformedError):
                    return moment(said, "an annotation")
        return None

    def _name(self) -> str:
        if self.reference.digest is not None:
            return str(self.reference.digest)
        if self.reference.tag is not None:
            return self.reference.tag
        tags = self._repository.tags()
        if len(tags) == 1:
            return tags[0]
        if not tags:
            raise TallyError(
                f"there is no repository {self.reference.name}, or it has no tag",
                hint="see whether the name is right; what has no tag is named by its digest, "
                f"{self.reference}@sha256:HEX",
            )
        hint = f"it has the tags {some(tags)}: {self.reference}:TAG"
        raise Several(f"{self.reference} does not say which release", hint=hint)

    def _manifest(self, name: str) -> Manifest:
        found = self._repository.manifest(name)
        if found is None:
            tags = self._repository.tags()
            hint = f"it has the tags {some(tags)}" if tags else "see whether the repository is right"
            raise TallyError(f"there is no {name} in {self.reference.name}", hint=hint)
        return found

    def _attached(self, named: Manifest) -> Manifest:
        """The release that refers to a manifest."""
        found = self._repository.referrers(named.digest, RELEASE)
        digests = sorted({str(each.digest) for each in found})
        if not digests:
            raise TallyError(
                f"no release is attached to {self.reference} ({named.digest})",
                hint="only what `tally publish` put there has one; where its tag was moved since, name the "
                f"artifact by its own digest: oci://{self.reference.name}@sha256:HEX",
            )
        return self._manifest(digests[0])  # of several, as of two builds at once, everybody takes the same

    def _index(self, release: Manifest, about: Sha256) -> tuple[Index, str | None]:
        """The release.json, and what the release calls itself. Raises MalformedError, Refused."""
        what = "the release's manifest"
        document = release.document(what)
        subject = Descriptor.parse(member(document, "subject", dict, what), what)
        if document.get("artifactType") != RELEASE or subject.digest != about:
            why = f"{release.digest} is attached to {about}, and is about {subject.digest}"
            raise Refused(Reason(Code.SUBJECT_MISMATCH, why))
        layers = [Descriptor.parse(each, what) for each in member(document, "layers", list, what)]
        own = [each for each in layers if each.annotations.get(TITLE) == INDEX]
        if len(own) != 1 or own[0].size > INDEX_LIMIT:
            raise MalformedError(f"{what} has no {INDEX}")
        data = whole_index(self._repository.blob(own[0].digest), own[0].digest)
        title = document.get("annotations", {})
        called = title.get(TITLE) if isinstance(title, dict) else None
        return index.parse(data), called if isinstance(called, str) else None

    def _rebuilds(self, about: Sha256, own: Sha256) -> Iterator[tuple[str, bytes]]:
        """The bundles of each rebuild that refers to the artifact and does not name another release."""
        for each in self._repository.referrers(about, REBUILD):
            if each.annotations.get(REBUILT, str(own)) != str(own):
                continue
            name = f"{self.reference.name}@{each.digest}"
            manifest = self._repository.manifest(str(each.digest))
            if manifest is None:
                raise Refused(Reason(Code.FILE_MISSING, f"{name} is said to be attached, and is not there"))
            try:
                layers = member(manifest.document(name), "layers", list, name)
                found = [Descriptor.parse(layer, name) for layer in layers]
            except MalformedError:
                yield name, b""  # it is set aside as what it is: no bundle
                continue
            for layer in found:
                title = layer.annotations.get(TITLE, "")
                if title.endswith(BUNDLE) and 0 <= layer.size <= WORD_LIMIT:
                    chunks = self._repository.blob(layer.digest)
                    yield f"{name} {title}", whole(chunks, layer.digest, layer.size, f"{name}, {title},")

    def _same_artifact(self, found: Index, about: Sha256, folder: Path) -> None:
        """What strangers get by the same reference is what the release is about. Raises Refused."""
        try:
            if found.artifact.endswith(IMAGE):
                if not (folder / found.artifact).exists():
                    return  # whoever published it was told, and looks at its digest alone
                expected = image_in(folder / found.artifact).manifest.digest
            else:
                expected = manifests.artifact(found).digest
        except (MalformedError, OSError) as error:
            raise Refused(Reason(Code.MALFORMED, str(error))) from error
        if expected != about:
            why = f"the release's artifact is the manifest {expected}, and it is attached to {about}"
            raise Refused(Reason(Code.SUBJECT_MISMATCH, why))


def _outcome(work: Callable[[], T]) -> Callable[[], T]:
    """Do some work, and give what gives its result, or raises what it raised."""
    try:
        result = work()
    except Exception as error:  # noqa: BLE001  (raised in the thread that waits for it)
        failure = error

        def fail() -> T:
            raise failure

        return fail
    return lambda: result
