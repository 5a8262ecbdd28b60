"""Values that are digests of other files that differ: these follow, and do not come first."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from orchestrator.agreement.cause import Cause, Window
from orchestrator.agreement.trees import Kind, Side, walk
from orchestrator.diagnosis.values import words
from orchestrator.places.place import PATH, Place, printable

_DIGESTS: Final = ("md5", "sha1", "sha256", "sha512")
_MOST: Final = 100
"""Files that differ of which digests are worked out."""
_LARGEST: Final = 1 << 26
_PIECE: Final = 1 << 20
_NUMBERS: Final = frozenset({Cause.UNKNOWN, Cause.IDENTIFIER, Cause.RANDOM})
_NUMBER: Final = re.compile(rb"\d{2,}|[0-9A-Fa-f]{8,}")
_NAME: Final = re.compile(rb"[\w./+-]*[A-Za-z][\w./+-]*")


def with_mirrors(places: Iterable[Place], digests: Mapping[bytes, str]) -> Iterator[Place]:
    """The same places; those whose values are digests of other files, on both sides, are known as mirrors.

    So are numbers on a line that names another file that differs, as sizes are, and sums of another kind.
    """
    for place in places:
        if place.mirrors:
            yield place
        elif (file := _of_another(place, digests)) is not None:
            yield replace(place, mirrors=True, note=place.note or f"it is the digest of {file}")
        elif (file := _beside(place, set(digests.values()))) is not None:
            said = f"it stands beside the name of {file}, which differs, too"
            yield replace(place, mirrors=True, note=place.note or said)
        else:
            yield place


def digests_of(first: Side, second: Side) -> Mapping[bytes, str]:
    """Digest, as it is written in text, of each file that differs to the file's name, for both sides.

    Only of the first files that differ, and of none that is large: more would cost more than it tells.
    """
    found: dict[bytes, str] = {}
    for number, unlike in enumerate(walk(first, second)):
        if number == _MOST:
            break
        if unlike.kind is not Kind.CONTENT:
            continue
        for node in unlike.nodes:
            if (node.size or 0) > _LARGEST:
                continue
            with node.open() as stream:
                for text in _texts(iter(lambda: stream.read(_PIECE), b"")):
                    found[text] = printable(unlike.path, PATH)
    return found


def _texts(pieces: Iterable[bytes]) -> Iterator[bytes]:
    hashes = [hashlib.new(name, usedforsecurity=False) for name in _DIGESTS]
    for piece in pieces:
        for each in hashes:
            each.update(piece)
    for each in hashes:
        digest = each.digest()
        yield digest.hex().encode()
        yield digest.hex().upper().encode()
        yield base64.b64encode(digest)
        yield base64.urlsafe_b64encode(digest).rstrip(b"=")  # the RECORD of a wheel


def _of_another(place: Place, digests: Mapping[bytes, str]) -> str | None:
    """The file whose digests both values are."""
    if place.spot is None or not digests:
        return None
    one, other = _at(place.spot.first, digests), _at(place.spot.second, digests)
    return one if one is not None and one == other and one != place.file else None


def _at(side: Window, digests: Mapping[bytes, str]) -> str | None:
    """The file whose digest stands where the sides first differ."""
    for text, file in digests.items():
        start = side.data.find(text, max(0, side.position - len(text) + 1), side.position + len(text))
        if 0 <= start <= side.position:
            return file
    return None


def _beside(place: Place, files: Iterable[str]) -> str | None:
    """The other file that the line of two numbers names on both sides."""
    both = words(place)
    if place.spot is None or both is None or place.cause not in _NUMBERS:
        return None
    if not all(_NUMBER.fullmatch(word) for word in both):
        return None
    one, other = _names(place.spot.first), _names(place.spot.second)
    return next((file for file in sorted(files) if file != place.file and _named(file, one & other)), None)


def _names(side: Window) -> set[bytes]:
    """The words of a line that may be files' names."""
    start = side.data.rfind(b"\n", 0, side.position) + 1
    end = side.data.find(b"\n", side.position)
    return set(_NAME.findall(side.data[start : end if end >= 0 else len(side.data)]))


def _named(file: str, names: set[bytes]) -> bool:
    return any(f"/{file}".encode().endswith(b"/" + name.removeprefix(b"./")) for name in names)
