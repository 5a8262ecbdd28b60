"""One name for the images of several systems: an OCI index, into which releases enter one after the other.

Specification: OCI image specification 1.1, "image-index.md".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from orchestrator.bundles import own_bundle
from orchestrator.evidence import statement
from orchestrator.evidence.canonical import MalformedError, member, read, render
from orchestrator.evidence.oci import EMPTY
from orchestrator.evidence.terms import IMAGE_INDEX as STATED
from orchestrator.ground.digest import Sha256
from orchestrator.ground.download import Downloader
from orchestrator.ground.errors import TallyError
from orchestrator.ground.values import dataclass
from orchestrator.publishing.imageindex import Entry, Released, entries_of, stated
from orchestrator.publishing.imageindex import read as read_statement
from orchestrator.publishing.locations import Stating
from orchestrator.publishing.manners import MANNERS
from orchestrator.publishing.reference import Registry
from orchestrator.publishing.registry.manifests import (
    BUNDLE,
    IMAGE_INDEX,
    MANIFEST_LIMIT,
    PREDICATE,
    Descriptor,
    Manifest,
    bundle,
)
from orchestrator.publishing.registry.repository import Repository

_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
_ATTEMPTS: Final = 3
_STATEMENT_LIMIT: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Entered:
    """The index, and what nobody has signed of it."""

    index: Registry
    unsigned: tuple[Entry, ...]
    """Images of which the signer has not stated whose release they are."""


def enter(
    image: Registry,
    tag: str,
    release: Released,
    by: Stating | None,
    *,
    move: bool = False,
    http: Downloader | None = None,
) -> Entered:
    """Let the index of this tag name the image that is published by `image`, for the system that it is for.

    `release` is the image's. `by` signs which releases the index names, as far as it has stated it before,
    and that is attached before the tag is set. Raises TallyError for what is no image, and where the tag is
    no index or has another image for that system, unless it may `move`.
    """
    repository = Repository(image, http or Downloader(manners=MANNERS), push=True)
    named = str(image.digest or image.tag)
    if tag == image.tag:
        raise TallyError(
            f"the tag {tag} is the release's own", hint="name the index otherwise: --index 1.0, for example"
        )
    found = repository.manifest(named)
    if found is None:
        raise TallyError(f"{image} is not there", hint="publish it first")
    entry = {**found.descriptor.document, "platform": _platform(repository, found, image)}
    for _ in range(_ATTEMPTS):
        there = repository.manifest(tag)
        entries = _entered(entry, _entries(there, image, tag), f"{image.name}:{tag}", move=move)
        document = {"schemaVersion": 2, "mediaType": IMAGE_INDEX, "manifests": entries}
        made = Manifest(render(document), IMAGE_INDEX)
        repository.put_manifest(made)
        unsigned = _attest(repository, made, there, (_entry_of(entry), release), by)
        if there is None or there.digest != made.digest:
            repository.put_manifest(made, tag)
        # another release may have been entered at the same time, and put its own index after ours
        last = repository.manifest(tag)
        if last is not None and entry in _entries(last, image, tag):
            return Entered(Registry(image.host, image.repository, tag, last.digest, image.plain), unsigned)
    raise TallyError(f"{image.name}:{tag} is set by somebody else at the same time", hint="try again")


def statements(repository: Repository, index: Sha256) -> Iterator[tuple[str, bytes]]:
    """The bundles about an index that say which releases it names, and what each is called.

    Raises Refused, TallyError. What cannot be read is left out: anybody can attach it.
    """
    for each in repository.referrers(index, BUNDLE):
        if each.annotations.get(PREDICATE) != STATED:
            continue
        data = repository.bundle(str(each.digest), _STATEMENT_LIMIT)
        if data is not None:
            yield f"oci://{repository.registry.name}@{each.digest}", data


def _attest(
    repository: Repository,
    made: Manifest,
    there: Manifest | None,
    own: tuple[Entry, Released],
    by: Stating | None,
) -> tuple[Entry, ...]:
    """Attach what is known of the images of an index; the images of which nothing is."""
    entries = entries_of(made.document("the index"))
    if by is None:
        return entries
    before = {made.digest, *([there.digest] if there is not None else [])}
    said = {digest: _own(repository, digest, by) for digest in before}
    known = {entry: one for each in said.values() for entry, one in each.items() if entry in entries}
    known[own[0]] = own[1]
    if said[made.digest] != known:
        data = by.stated(stated(repository.registry.name, made.digest, list(known.items())))
        for blob in (EMPTY, data):
            repository.put_blob(Sha256.of(blob), len(blob), lambda blob=blob: iter((blob,)))  # type: ignore[misc]
        repository.attach(made.digest, [bundle(data, STATED, None, made)])
    return tuple(entry for entry in entries if entry not in known)


def _own(repository: Repository, index: Sha256, by: Stating) -> dict[Entry, Released]:
    """What the same signer has stated of the images of an index."""
    found: dict[Entry, Released] = {}
    for name, data in statements(repository, index):
        with suppress(MalformedError):
            envelope = own_bundle.parse(data, name).envelope
            if by.made(data, envelope):
                said = statement.parse(envelope.payload, name)
                if index.hex in said.subjects.values():
                    found |= read_statement(said)
    return found


def _entry_of(entry: Mapping[str, Any]) -> Entry:
    [found] = entries_of({"manifests": [entry]})
    return found


def _platform(repository: Repository, manifest: Manifest, image: Registry) -> Mapping[str, str]:
    """The system that an image is for, as its configuration says."""
    what = f"{image}'s manifest"
    try:
        config = Descriptor.parse(member(manifest.document(what), "config", dict, what), what)
        if config.media_type != _CONFIG:
            raise TallyError(
                f"{image} is no image, and an index names images", hint='publish releases of format = "oci"'
            )
        data = b""
        for chunk in repository.blob(config.digest):
            data += chunk
            if len(data) > MANIFEST_LIMIT:
                raise MalformedError(f"{what} has a configuration that is too large")
        told = read(data, what)
        return {name: member(told, name, str, what) for name in ("architecture", "os")}
    except MalformedError as error:
        raise TallyError(f"{image} cannot be entered into an index: {error}") from error


def _entries(there: Manifest | None, image: Registry, tag: str) -> list[dict[str, Any]]:
    if there is None:
        return []
    if there.media_type != IMAGE_INDEX:
        raise TallyError(
            f"{image.name}:{tag} is there and is no index",
            hint="name the index otherwise: --index TAG",
        )
    try:
        return [dict(each) for each in member(there.document("the index"), "manifests", list, "the index")]
    except (MalformedError, TypeError, ValueError) as error:
        raise TallyError(f"{image.name}:{tag} cannot be read: {error}") from error


def _entered(
    entry: dict[str, Any], entries: list[dict[str, Any]], name: str, *, move: bool
) -> list[dict[str, Any]]:
    """The entries with one for its system, in the order of systems."""
    others = [each for each in entries if each.get("platform") != entry["platform"]]
    own = [each for each in entries if each.get("platform") == entry["platform"]]
    if own and own != [entry] and not move:
        platform = "/".join((entry["platform"]["os"], entry["platform"]["architecture"]))
        raise TallyError(
            f"{name} has another image for {platform}, {own[0].get('digest')}",
            hint="name another index, or replace it with --move-tag",
        )
    return sorted([*others, entry], key=lambda each: str(sorted((each.get("platform") or {}).items())))
