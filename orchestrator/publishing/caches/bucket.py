"""A Nix binary cache in a bucket, by its address as Nix writes it: docs/reference/nix-cache.md."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Lock as Mutex
from typing import BinaryIO

from orchestrator.caches import buckets
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.publishing.caches.spool import spooled
from orchestrator.publishing.objects.bucket import Bucket, Service
from orchestrator.publishing.reference import NixCache, ObjectStore

_SMALL = 1 << 22
"""Bytes of a file that others may be sent beside: larger ones have several parts in memory."""


class CacheBucket:
    """Its files are objects; each is there once it is whole."""

    def __init__(self, place: str, bucket: Bucket) -> None:
        self._place, self._bucket, self._mutex = place, bucket, Mutex()

    @classmethod
    def at(cls, reference: NixCache) -> CacheBucket:
        """Raises TallyError for an address that names no bucket, and where there are no credentials."""
        try:
            found = buckets.Bucket.parse(reference.address)
        except ValueError as error:
            raise TallyError(
                f"{reference} is no cache in a bucket: {error}", hint="give cache+s3://BUCKET?region=REGION"
            ) from None
        service = Service(found.region, found.endpoint, found.profile)
        where = ObjectStore(found.name, "", plain=reference.plain)
        return cls(found.place, Bucket(where, publish=True, service=service))

    @property
    def place(self) -> str:
        """The bucket."""
        return self._place

    def refuse_unusable(self) -> None:
        """One that is not there, or that these credentials do not reach."""
        self._bucket.reach()

    def has_others(self) -> bool:
        """Whether there is any object."""
        return self._bucket.has_any()

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Nobody can be kept out of a bucket: each narinfo is looked at right before it is put."""
        yield

    def chunks(self, name: str) -> Iterator[bytes] | None:
        """The object that is there now."""
        return self._bucket.read(name)

    def put(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Spooled, and then sent."""

        def send(size: int, chunks: Callable[[], Iterator[bytes]]) -> None:
            digest = hashlib.sha256()
            for piece in chunks():
                digest.update(piece)
            with nullcontext() if size <= _SMALL else self._mutex:
                self._bucket.put(name, size, Sha256(digest.hexdigest()), chunks, None)

        return spooled(send)

    def settle(self) -> None:
        """The server took it."""
