"""Caches as a place that fixed inputs are taken from: by the digest, so that nobody is believed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from orchestrator.caches.cache import Caches
from orchestrator.caches.fixed import flat_file
from orchestrator.ground.digest import NarHash, OtherDigest, Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import cannot_write
from orchestrator.ground.unreachable import Absent, Unreachable
from orchestrator.nix.storepath import fixed_path


@dataclass(frozen=True)
class Cache:
    """One of the caches that inputs come from."""

    caches: Caches
    address: str
    scratch: Path
    """Where a file is unpacked."""

    @property
    def place(self) -> str:
        return self.address

    def read(self, name: str, digest: Sha256 | NarHash | OtherDigest) -> Iterator[bytes]:
        """As a `Supply` does."""
        recursive = digest.nar if isinstance(digest, OtherDigest) else isinstance(digest, NarHash)
        algorithm = digest.algorithm if isinstance(digest, OtherDigest) else "sha256"
        path = fixed_path(name, algorithm, digest.hex, recursive=recursive)
        try:
            narinfo = self.caches.narinfo(self.address, path)
            if narinfo is None:
                raise Absent(f"it does not have {path}")
            nar = self.caches.bytes_of(path, self.address, narinfo)
            if recursive:
                yield from nar
                return
            with TemporaryFile(dir=self.scratch) as stream:
                for chunk in nar:
                    stream.write(chunk)
                stream.seek(0)
                yield from flat_file(stream)
        except TallyError as error:
            raise Unreachable(error.message) from error
        except ValueError as error:
            raise Unreachable(str(error)) from error
        except OSError as error:
            raise Unreachable(cannot_write(self.scratch, error).message) from error


def supplies_of(caches: Caches | None, scratch: Path) -> tuple[Cache, ...]:
    """Each cache for itself; none where inputs come from none."""
    return () if caches is None else tuple(Cache(caches, each, scratch) for each in caches.addresses)
