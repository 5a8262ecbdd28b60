"""One name for the images of several systems: an OCI index, into which releases enter one after the other.

Specification: OCI image specification 1.1, "image-index.md".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from orchestrator.evidence.canonical import MalformedError, member, read, render
from orchestrator.ground.download import Downloader
from orchestrator.ground.errors import TallyError
from orchestrator.publishing.manners import MANNERS
from orchestrator.publishing.reference import Registry
from orchestrator.publishing.registry.manifests import IMAGE_INDEX, MANIFEST_LIMIT, Descriptor, Manifest
from orchestrator.publishing.registry.repository import Repository

_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
_ATTEMPTS: Final = 3


def enter(image: Registry, tag: str, *, move: bool = False, http: Downloader | None = None) -> Registry:
    """Let the index of this tag name the image that is published by `image`, for the system that it is for.

    Raises TallyError for what is no image, and where the tag is no index or has another image for that
    system, unless it may `move`.
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
        if there is None or there.digest != made.digest:
            repository.put_manifest(made, tag)
        # another release may have been entered at the same time, and put its own index after ours
        last = repository.manifest(tag)
        if last is not None and entry in _entries(last, image, tag):
            return Registry(image.host, image.repository, tag, last.digest, image.plain)
    raise TallyError(f"{image.name}:{tag} is set by somebody else at the same time", hint="try again")


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
