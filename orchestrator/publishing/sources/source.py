"""What every place gives of a release: its index, and each listed file by its digest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Protocol

from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.values import dataclass
from orchestrator.policy.verdict import Code, Reason, Refused
from orchestrator.publishing.folder import INDEX_LIMIT
from orchestrator.publishing.index import INDEX, Index
from orchestrator.publishing.inputs import Input
from orchestrator.publishing.reference import Reference


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where the fixed inputs of a release would be that are published beside it."""

    place: str
    """What it is called."""
    listings: Callable[[], Iterator[bytes]]
    """Each list of them that is there, whole. Raises Refused, TallyError."""
    read: Callable[[Input], Iterator[bytes]]
    """The bytes that are sent for one, any, and without an end. Raises Refused, TallyError."""


@dataclass(frozen=True, slots=True)
class Found:
    """A release where it is published. Nothing in it is believed yet."""

    name: str
    """What its folder is called."""
    index: Index
    read: Callable[[str], Iterator[bytes]]
    """The bytes that are sent for a file of the release, by its path: any, and without an end.

    Raises Refused where there are none, TallyError where that cannot be known.
    """
    check: Callable[[Path], None] | None = None
    """What else has to hold of the folder with all files, before it is verified. Raises Refused."""
    shelf: Shelf | None = None
    place: Reference | None = None
    """The same release by what does not move, as a registry's digest; None: nothing is attached there."""
    rebuilds: Callable[[], Iterator[tuple[str, bytes]]] = lambda: iter(())
    """Every bundle that rebuilders attached, by a name for people: anybody's, and any bytes.

    Raises Refused where something listed is not there, TallyError where that cannot be known.
    """


@dataclass(frozen=True, slots=True)
class Release:
    """A release that a place lists: not looked at yet."""

    reference: Reference
    """What stands for it alone, and for no other one later."""
    id: str
    """What it is known by for good: a digest. Empty: the place does not say."""
    when: datetime | None
    """When it was published or made, by the word of the place; None: it does not say."""


class Several(TallyError):
    """A place has several releases, and nothing says which of them is meant."""


class Source(Protocol):
    """A place that releases are fetched from."""

    def find(self) -> Found:
        """The release. Raises Refused for one that contradicts itself, TallyError where it cannot be had."""

    def every(self) -> Iterator[Release]:
        """Every release there that the reference allows. Raises Refused, TallyError."""


def bounded(chunks: Iterator[bytes], size: int, what: str) -> Iterator[bytes]:
    """The chunks, if they are no more bytes than `size`. Raises Refused."""
    seen = 0
    for chunk in chunks:
        seen += len(chunk)
        if seen > size:
            why = f"{what} is sent as more than {size} bytes, which is what it should have"
            raise Refused(Reason(Code.DIGEST_MISMATCH, why))
        yield chunk


def is_it(chunks: Iterator[bytes], expected: Sha256, size: int) -> bool:
    """Whether these bytes have the digest; no more of them are read than they should be."""
    digest, seen = hashlib.sha256(), 0
    for chunk in chunks:
        digest.update(chunk)
        seen += len(chunk)
        if seen > size:
            return False
    return digest.hexdigest() == expected.hex


def whole(chunks: Iterator[bytes], expected: Sha256, size: int, what: str) -> bytes:
    """Some bytes by their digest. Raises Refused."""
    data = b"".join(bounded(chunks, size, what))
    if (found := Sha256.of(data)) != expected:
        raise Refused(Reason(Code.DIGEST_MISMATCH, f"{what} is sent as {found}, and listed as {expected}"))
    return data


def whole_index(chunks: Iterator[bytes], expected: Sha256 | None) -> bytes:
    """A release.json, and by its digest where that is known. Raises Refused."""
    data = b"".join(bounded(chunks, INDEX_LIMIT, INDEX))
    if expected is not None and (found := Sha256.of(data)) != expected:
        raise Refused(Reason(Code.DIGEST_MISMATCH, f"{INDEX} is {found}, and should be {expected}"))
    return data


def unreachable(place: object, why: object) -> TallyError:
    """The error for a place that does not answer as it should."""
    return TallyError(f"{place} cannot be read: {why}", hint="see whether it is there, and try again")
