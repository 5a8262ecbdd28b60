"""An image's archive, which is a release's artifact: the image in it, as a registry has it.

Specification: OCI image specification 1.1, "image-layout.md". The archive is a tar (POSIX, "ustar") of such a
layout, and may be somebody else's: what is read into memory has a limit, whatever its headers say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Final

from orchestrator.evidence.canonical import MalformedError, member, read
from orchestrator.evidence.oci import IMAGE, MANIFEST, artifact_manifest
from orchestrator.ground.digest import Sha256
from orchestrator.ground.files import opened
from orchestrator.ground.values import dataclass
from orchestrator.publishing.registry.manifests import MANIFEST_LIMIT, Descriptor, Manifest

_LAYOUT: Final = "index.json"
_CHUNK: Final = 1 << 20
_BLOCK: Final = 512
_MOST: Final = 10_000  # members; an image has a hundred layers at most
_REGULAR: Final = (b"0", b"\0")


@dataclass(frozen=True, slots=True)
class Image:
    """The one image in an archive: its manifest, and the blobs that this names."""

    path: Path
    manifest: Manifest
    blobs: tuple[Descriptor, ...]
    places: Mapping[str, tuple[int, int]]
    """Where in the archive each regular file is: from which byte on, and how many."""

    def chunks(self, blob: Descriptor) -> Iterator[bytes]:
        """A blob's bytes. Raises MalformedError where they have another digest, OSError."""
        digest = hashlib.sha256()
        begin, left = self.places[_place(blob.digest)]
        with opened(self.path) as stream:
            stream.seek(begin)
            while left and (chunk := stream.read(min(left, _CHUNK))):
                left -= len(chunk)
                digest.update(chunk)
                yield chunk
        if digest.hexdigest() != blob.digest.hex:
            raise MalformedError(f"the image has {blob.digest} with other bytes")


def image_in(path: Path) -> Image:
    """Raises MalformedError for what is no archive of one image, OSError."""
    with opened(path) as stream:
        places = dict(_members(stream))
        entries = member(read(_small(stream, places, _LAYOUT), _LAYOUT), "manifests", list, _LAYOUT)
        if len(entries) != 1:
            raise MalformedError("the archive has none or several images where one is expected")
        named = Descriptor.parse(entries[0], _LAYOUT)
        data = _small(stream, places, _place(named.digest))
    if named.media_type != MANIFEST or Sha256.of(data) != named.digest:
        raise MalformedError("the archive names a manifest that it does not have")
    what = "the image's manifest"
    manifest = Manifest(data)
    document = manifest.document(what)
    parts = [member(document, "config", dict, what), *member(document, "layers", list, what)]
    blobs = tuple(Descriptor.parse(each, what) for each in parts)
    for each in blobs:
        if places.get(_place(each.digest), (0, None))[1] != each.size:
            raise MalformedError(f"the archive does not have {each.digest} with {each.size} bytes")
    return Image(path, manifest, blobs, places)


def manifest_of(name: str, sha256: Sha256, size: int, path: Path) -> Sha256:
    """The digest of the manifest that an artifact has in any registry.

    `path` is the artifact's file, which is read for an image alone. Raises MalformedError, OSError.
    """
    if not name.endswith(IMAGE):
        return Sha256.of(artifact_manifest(name, sha256, size))
    return image_in(path).manifest.digest


def _members(stream: BinaryIO) -> Iterator[tuple[str, tuple[int, int]]]:
    """The regular files in a tar, each where it is. Nothing that we look for has a longer name than ustar."""
    at = 0
    for _ in range(_MOST):
        header = stream.read(_BLOCK)
        if len(header) < _BLOCK or not header.strip(b"\0"):
            return
        if header[257:262] != b"ustar":
            raise MalformedError("the artifact is no archive of an image")
        size = _number(header[124:136])
        prefix, name = (_text(header[begin:end]) for begin, end in ((345, 500), (0, 100)))
        whole = f"{prefix}/{name}" if prefix and header[263:265] == b"00" else name
        if header[156:157] in _REGULAR:
            yield whole.removeprefix("./"), (at + _BLOCK, size)
        at += _BLOCK + -(-size // _BLOCK) * _BLOCK
        stream.seek(at)
    raise MalformedError(f"the archive has more than {_MOST} members")


def _number(field: bytes) -> int:
    """A size, in octal digits, or by GNU's extension in base 256."""
    if field[0] & 0x80:
        return int.from_bytes(field[4:])
    try:
        return int(field.strip(b" \0") or b"0", 8)
    except ValueError:
        raise MalformedError("the archive has a member of no size") from None


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode(errors="replace")


def _place(digest: Sha256) -> str:
    return f"blobs/sha256/{digest.hex}"


def _small(stream: BinaryIO, places: Mapping[str, tuple[int, int]], name: str) -> bytes:
    begin, size = places.get(name, (0, -1))
    if size < 0:
        raise MalformedError(f"the archive has no file {name}")
    if size > MANIFEST_LIMIT:
        raise MalformedError(f"the archive's {name} is larger than {MANIFEST_LIMIT} bytes")
    stream.seek(begin)
    return stream.read(size)
