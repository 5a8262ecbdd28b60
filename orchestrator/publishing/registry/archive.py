"""An image's archive, which is a release's artifact: the image in it, as a registry has it.

Specification: OCI image specification 1.1, "image-layout.md". The archive is a tar of such a layout.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from orchestrator.evidence.canonical import MalformedError, member, read
from orchestrator.ground.digest import Sha256
from orchestrator.ground.files import opened
from orchestrator.ground.values import dataclass
from orchestrator.publishing.registry.manifests import MANIFEST, MANIFEST_LIMIT, Descriptor, Manifest

SUFFIX: Final = ".oci.tar"
_LAYOUT: Final = "index.json"
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Image:
    """The one image in an archive: its manifest, and the blobs that this names."""

    path: Path
    manifest: Manifest
    blobs: tuple[Descriptor, ...]

    def chunks(self, blob: Descriptor) -> Iterator[bytes]:
        """A blob's bytes. Raises MalformedError where they have another digest, OSError."""
        digest = hashlib.sha256()
        with opened(self.path) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
            file = _member(archive, _place(blob.digest))
            found = archive.extractfile(file)
            assert found is not None
            while chunk := found.read(_CHUNK):
                digest.update(chunk)
                yield chunk
        if digest.hexdigest() != blob.digest.hex:
            raise MalformedError(f"the image has {blob.digest} with other bytes")


def image_in(path: Path) -> Image:
    """Raises MalformedError for what is no archive of one image, OSError."""
    try:
        with opened(path) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
            entries = member(read(_small(archive, _LAYOUT), _LAYOUT), "manifests", list, _LAYOUT)
            if len(entries) != 1:
                raise MalformedError("the archive has none or several images where one is expected")
            named = Descriptor.parse(entries[0], _LAYOUT)
            data = _small(archive, _place(named.digest))
            if named.media_type != MANIFEST or Sha256.of(data) != named.digest:
                raise MalformedError("the archive names a manifest that it does not have")
            manifest = Manifest(data)
            document = manifest.document("the image's manifest")
            layers = member(document, "layers", list, "the image's manifest")
            blobs = [
                Descriptor.parse(each, "the image's manifest")
                for each in (member(document, "config", dict, "the image's manifest"), *layers)
            ]
            for each in blobs:
                if _member(archive, _place(each.digest)).size != each.size:
                    raise MalformedError(f"the image has {each.digest} in another size")
    except tarfile.TarError as error:
        raise MalformedError(f"the artifact is no archive of an image: {error}") from None
    return Image(path, manifest, tuple(blobs))


def _place(digest: Sha256) -> str:
    return f"blobs/sha256/{digest.hex}"


def _small(archive: tarfile.TarFile, name: str) -> bytes:
    file = _member(archive, name)
    if file.size > MANIFEST_LIMIT:
        raise MalformedError(f"the archive's {name} is larger than {MANIFEST_LIMIT} bytes")
    found = archive.extractfile(file)
    assert found is not None
    return found.read()


def _member(archive: tarfile.TarFile, name: str) -> tarfile.TarInfo:
    for each in (name, f"./{name}"):
        try:
            found = archive.getmember(each)
        except KeyError:
            continue
        if found.isreg():
            return found
    raise MalformedError(f"the archive has no file {name}")
