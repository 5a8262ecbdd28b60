"""A repository in a registry: its blobs, manifests, tags and referrers.

Specification: OCI distribution 1.1, "Unavailable Referrers API" for registries without referrers among it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from orchestrator.evidence.canonical import MalformedError, member, read
from orchestrator.evidence.oci import MANIFEST
from orchestrator.ground.digest import Sha256
from orchestrator.ground.download import Downloader
from orchestrator.ground.errors import TallyError
from orchestrator.ground.filebody import FileBody
from orchestrator.ground.parallel import Stopped, in_parallel
from orchestrator.ground.unreachable import Unreachable
from orchestrator.policy.verdict import Code, Reason, Refused
from orchestrator.publishing.reference import Registry
from orchestrator.publishing.registry.connection import Body, Connection
from orchestrator.publishing.registry.manifests import (
    DOCKER,
    IMAGE_INDEX,
    MANIFEST_LIMIT,
    Descriptor,
    Manifest,
    referring,
)

T = TypeVar("T")
_ACCEPT: Final = {"Accept": f"{MANIFEST}, {IMAGE_INDEX}, {DOCKER}"}
_MOST_REFERRERS: Final = 2000
_MOST_UNTOLD: Final = 200
"""Referrers whose type a registry does not tell: each is a request."""
_UNTOLD: Final = (None, "", "application/vnd.oci.empty.v1+json")
_MOST_PAGES: Final = 50
_NEXT: Final = re.compile(r'<([^>]+)>\s*;\s*rel="?next"?')
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_TOGETHER: Final = 4
"""Files that are put at once: each holds a part of itself in memory."""
_ATTEMPTS: Final = 3  # at the fallback tag, which somebody else may write at the same time


class Repository:
    """One repository. What is read by a digest has it."""

    def __init__(self, registry: Registry, http: Downloader, *, push: bool = False) -> None:
        self.registry = registry
        self._connection, self._stop = Connection(registry, http, push=push), http.stop
        self._at = registry.repository
        self._asked: dict[Sha256, Descriptor] = {}
        """Referrers that were asked what they are."""
        self._tells = True
        """Whether it may tell of referrers: one that did not once is not asked again."""

    def has_blob(self, digest: Sha256) -> bool:
        """Whether these bytes are there."""
        with self._connection.sent("HEAD", f"{self._at}/blobs/{digest}", (200, 404)) as answer:
            return answer.status == 200

    def put_blob(self, digest: Sha256, size: int, chunks: Body) -> None:
        """Put bytes unless they are there. The registry takes them by their digest, whole."""
        if self.has_blob(digest):
            return
        with self._connection.sent("POST", f"{self._at}/blobs/uploads/", (202,)) as answer:
            location = answer.headers.get("Location")
        if not location:
            raise TallyError(f"{self.registry} says of no place to put a file", hint="ask its operator")
        where = f"{location}{'&' if '?' in location else '?'}{urlencode({'digest': str(digest)})}"
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        with self._connection.sent("PUT", where, (201, 204), headers=headers, body=chunks):
            return

    def put_blobs(self, blobs: Mapping[Sha256, tuple[int, Body]]) -> None:
        """Put several at the same time, each with its size, the small ones first."""

        def until(chunks: Iterable[bytes]) -> Iterator[bytes]:
            for chunk in chunks:
                if self._stop.is_set():  # another one failed
                    raise Stopped
                yield chunk

        def begun(begin: Body) -> Iterable[bytes]:
            body = begin()
            return body.until(self._stop) if isinstance(body, FileBody) else until(body)

        def put(digest: Sha256) -> None:
            size, begin = blobs[digest]
            self.put_blob(digest, size, lambda: begun(begin))

        self._each(sorted(blobs, key=lambda each: blobs[each][0]), put)

    def _each(self, things: Iterable[T], work: Callable[[T], object]) -> None:
        for _, failure in in_parallel(things, work, self._stop, threads=_TOGETHER):
            if failure is not None:
                raise failure

    def blob(self, digest: Sha256) -> Iterator[bytes]:
        """The bytes that are sent for a digest, whichever they are. Raises Refused where there are none."""
        with self._connection.sent("GET", f"{self._at}/blobs/{digest}", (200, 404)) as answer:
            if answer.status == 404:
                raise Refused(Reason(Code.FILE_MISSING, f"{self.registry} has no blob {digest}"))
            try:
                yield from answer.chunks
            except Unreachable as error:
                raise TallyError(f"{self.registry}: {error}", hint="try again") from error

    def manifest(self, name: str) -> Manifest | None:
        """A manifest by its tag or digest; None: there is none. Raises Refused, TallyError."""
        with self._connection.sent(
            "GET", f"{self._at}/manifests/{name}", (200, 404), headers=_ACCEPT
        ) as answer:
            if answer.status == 404:
                return None
            kind = answer.headers.get("Content-Type", MANIFEST).partition(";")[0].strip()
            try:
                data = answer.small(MANIFEST_LIMIT)
            except Unreachable as error:
                raise TallyError(f"{self.registry}, {name}: {error}", hint="try again") from error
        found = Manifest(data, kind)
        if name.startswith("sha256:") and str(found.digest) != name:
            why = f"{self.registry} sends {found.digest} for the manifest {name}"
            raise Refused(Reason(Code.DIGEST_MISMATCH, why))
        return found

    def bundle(self, digest: str, limit: int) -> bytes | None:
        """The bundle in a referrer; None where it has none that can be read. Raises TallyError."""
        try:
            found = self.manifest(digest)
            if found is None:
                return None
            (layer,) = found.document(digest)["layers"]
            blob = Descriptor.parse(layer, digest)
            if blob.size > limit:
                return None
            data = b""
            for chunk in self.blob(blob.digest):
                data += chunk
                if len(data) > blob.size:
                    return None
        except (MalformedError, Refused, KeyError, TypeError, ValueError):
            return None
        return data if Sha256.of(data) == blob.digest else None

    def put_manifest(self, manifest: Manifest, tag: str | None = None) -> bool:
        """Put a manifest; whether the registry knows it for its subject's referrer now."""
        where = f"{self._at}/manifests/{tag or manifest.digest}"
        headers = {"Content-Type": manifest.media_type, "Content-Length": str(len(manifest.data))}
        body = lambda: iter((manifest.data,))  # noqa: E731
        with self._connection.sent("PUT", where, (201, 200), headers=headers, body=body) as answer:
            return "OCI-Subject" in answer.headers

    def tags(self) -> list[str]:
        """The first tags, without those that stand in for referrers."""
        with self._connection.sent("GET", f"{self._at}/tags/list?n=100", (200, 404)) as answer:
            if answer.status == 404:
                return []
            try:
                found = member(read(answer.small(MANIFEST_LIMIT), "the tags"), "tags", list, "the tags")
            except (MalformedError, Unreachable):
                return []
        own = (each for each in found if isinstance(each, str) and _TAG.fullmatch(each))
        return [each for each in own if not each.startswith("sha256-")]

    def every_tag(self) -> list[str]:
        """All tags, without those that stand in for referrers. Raises TallyError."""
        found: list[str] = []
        where = f"{self._at}/tags/list?n=1000"
        for _ in range(_MOST_PAGES):
            with self._connection.sent("GET", where, (200, 404)) as answer:
                if answer.status == 404:
                    return found
                try:
                    page = read(answer.small(MANIFEST_LIMIT), "the tags")
                    # null where there is none (docker-registry)
                    there = page.get("tags") or [] if isinstance(page, dict) else []
                except (MalformedError, Unreachable) as error:
                    raise TallyError(f"{self.registry} does not list its tags: {error}") from error
                following = _NEXT.search(answer.headers.get("Link", ""))
            found += [each for each in there if isinstance(each, str) and not each.startswith("sha256-")]
            if following is None:
                return found
            where = following[1]
        raise TallyError(
            f"{self.registry} has more tags than are looked through", hint="give releases by their tags"
        )

    def referrers(self, subject: Sha256, kind: str) -> list[Descriptor]:
        """What is attached to a manifest under a type. Raises Refused, TallyError."""
        if not self._tells:
            return self._by_tag(subject, kind)
        found: list[Descriptor] = []
        where = f"{self._at}/referrers/{subject}?{urlencode({'artifactType': kind})}"
        for _ in range(_MOST_PAGES):
            with self._connection.sent("GET", where, (200, 404)) as answer:
                if answer.status == 404:
                    self._tells = bool(found)
                    return self._by_tag(subject, kind)
                try:
                    found += _descriptors(answer.small(MANIFEST_LIMIT))
                except Unreachable as error:
                    raise _too_many(self.registry) from error
                following = _NEXT.search(answer.headers.get("Link", ""))
            if len(found) > _MOST_REFERRERS:
                raise _too_many(self.registry)
            if following is None:
                return self._of_kind(found, kind)
            where = following[1]
        raise _too_many(self.registry)

    def _by_tag(self, subject: Sha256, kind: str) -> list[Descriptor]:
        there = self.manifest(f"sha256-{subject.hex}")
        found = [] if there is None else _descriptors(there.data)
        if len(found) > _MOST_REFERRERS:
            raise _too_many(self.registry)
        return self._of_kind(found, kind)

    def _of_kind(self, found: Sequence[Descriptor], kind: str) -> list[Descriptor]:
        """Those of a type. What is listed under the type of its empty config is asked for its own.

        The type of a descriptor is its manifest's (distribution specification, "Listing Referrers"); some
        servers give the config's, and no annotations, as go-containerregistry's registry does.
        """
        untold = [each for each in found if each.artifact_type in _UNTOLD and each.digest not in self._asked]
        if len(untold) > _MOST_UNTOLD:
            raise _too_many(self.registry, f"{_MOST_UNTOLD} referrers of it whose type it does not tell")
        self._each(untold, self._ask)
        whole = (self._asked.get(each.digest, each) for each in found)
        return [each for each in whole if each.artifact_type == kind]

    def _ask(self, descriptor: Descriptor) -> None:
        """Note what a manifest says of itself, where it says it. Raises Refused, TallyError."""
        told, manifest = descriptor, self.manifest(str(descriptor.digest))
        if manifest is not None:
            with suppress(MalformedError):
                own = {**descriptor.document, **_own(manifest.document("a referrer"))}
                told = Descriptor.parse(own, "a referrer")
        self._asked[descriptor.digest] = told

    def attach(self, subject: Sha256, manifests: Iterable[Manifest]) -> None:
        """Put referrers of a manifest, and name them under the fallback tag where the registry does not."""
        told: dict[Sha256, bool] = {}

        def put(manifest: Manifest) -> None:
            told[manifest.digest] = self.put_manifest(manifest)

        every = list(manifests)
        self._each(every, put)
        unknown = [each.descriptor for each in every if not told[each.digest]]
        if not unknown:
            return
        tag = f"sha256-{subject.hex}"
        for _ in range(_ATTEMPTS):
            there = self.manifest(tag)
            before = [] if there is None else _descriptors(there.data)
            known = {each.digest for each in before}
            missing = [each for each in unknown if each.digest not in known]
            if not missing:
                return
            self.put_manifest(referring([*before, *missing]), tag)
        raise TallyError(
            f"somebody else writes the tag {tag} in {self.registry} at the same time", hint="try again"
        )


def _own(document: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: document[name] for name in ("artifactType", "annotations") if document.get(name)}


def _descriptors(data: bytes) -> list[Descriptor]:
    """Those that an index names. Raises Refused."""
    try:
        entries = member(read(data, "the referrers"), "manifests", list, "the referrers")
        return [Descriptor.parse(each, "the referrers") for each in entries]
    except MalformedError as error:
        raise Refused(Reason(Code.MALFORMED, str(error))) from error


def _too_many(registry: Registry, what: str = f"{_MOST_REFERRERS} referrers of it") -> TallyError:
    return TallyError(
        f"{registry} has more than {what}",
        hint="name the release itself, by @sha256: and its manifest's digest, as `oras discover` shows it",
    )
