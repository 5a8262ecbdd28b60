"""An image from a registry as a layout in a folder, every byte by its digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from orchestrator.evidence.canonical import MalformedError, member
from orchestrator.ground.digest import Sha256
from orchestrator.policy.verdict import Code, Reason, Refused
from orchestrator.publishing.registry.manifests import IMAGE_INDEX, Descriptor, Manifest
from orchestrator.publishing.registry.repository import Repository

_MOST: Final = 1000  # blobs of an image, or manifests of an index
_LISTS: Final = (IMAGE_INDEX, "application/vnd.docker.distribution.manifest.list.v2+json")


def pull(repository: Repository, manifest: Manifest, folder: Path) -> None:
    """Write the layout of an image, or of all images of an index. Raises Refused, TallyError, OSError."""
    (folder / "blobs/sha256").mkdir(parents=True)
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    try:
        for each in _images(repository, manifest, folder):
            _put(folder, each)
            document = each.document("the image's manifest")
            layers = member(document, "layers", list, "the image's manifest")
            config = member(document, "config", dict, "the image's manifest")
            _blobs(
                repository,
                [Descriptor.parse(one, "the image's manifest") for one in [config, *layers]],
                folder,
            )
    except MalformedError as error:
        raise Refused(Reason(Code.MALFORMED, str(error))) from error
    _put(folder, manifest)
    index = {"schemaVersion": 2, "manifests": [manifest.descriptor.document]}
    (folder / "index.json").write_text(json.dumps(index))


def _images(repository: Repository, manifest: Manifest, folder: Path) -> Iterable[Manifest]:
    if manifest.media_type not in _LISTS:
        return [manifest]
    entries = member(manifest.document("the index"), "manifests", list, "the index")
    if len(entries) > _MOST:
        raise MalformedError(f"the index names more than {_MOST} manifests")
    found = []
    for entry in entries:
        digest = Descriptor.parse(entry, "the index").digest
        one = repository.manifest(str(digest))
        if one is None:
            raise Refused(Reason(Code.FILE_MISSING, f"{repository.registry} has no manifest {digest}"))
        if one.media_type in _LISTS:
            raise MalformedError("the index names another index")
        found.append(one)
    return found


def _blobs(repository: Repository, blobs: list[Descriptor], folder: Path) -> None:
    if len(blobs) > _MOST:
        raise MalformedError(f"the image has more than {_MOST} blobs")
    for blob in blobs:
        path = _place(folder, blob.digest)
        if path.exists():
            continue
        digest, size = hashlib.sha256(), 0
        with path.open("xb") as stream:
            for chunk in repository.blob(blob.digest):
                digest.update(chunk)
                size += len(chunk)
                if size > blob.size:
                    break
                stream.write(chunk)
        if (digest.hexdigest(), size) != (blob.digest.hex, blob.size):
            why = f"{repository.registry} sends other bytes than it lists for {blob.digest}"
            raise Refused(Reason(Code.DIGEST_MISMATCH, why))


def _put(folder: Path, manifest: Manifest) -> None:
    _place(folder, manifest.digest).write_bytes(manifest.data)


def _place(folder: Path, digest: Sha256) -> Path:
    return folder / "blobs/sha256" / digest.hex
