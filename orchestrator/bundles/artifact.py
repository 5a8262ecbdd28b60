"""The artifact in question: a file that is read as a stream, or no more than its digest."""

from __future__ import annotations

import hashlib
import mmap
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import cannot_read, shown
from orchestrator.policy.verdict import Code, Reason, Refused

_CHUNK = 1 << 20
_HINT = "name the artifact, or give its --digest"


@dataclass(frozen=True)
class Digested:
    """An artifact that is not at hand."""

    sha256: Sha256

    @property
    def name(self) -> str:
        return str(self.sha256)

    def digest(self, algorithm: str) -> bytes | None:
        """The digest, where it is the one that is known."""
        return bytes.fromhex(self.sha256.hex) if algorithm == "sha256" else None


@dataclass(frozen=True)
class ArtifactFile:
    """An open regular file, of any size: never more than a megabyte of it is held."""

    path: Path
    stream: BinaryIO
    sha256: Sha256

    @property
    def name(self) -> str:
        return self.path.name

    def digest(self, algorithm: str) -> bytes:
        """The digest by another algorithm of `hashlib`'s. Raises Refused when it is another file by now."""
        if algorithm == "sha256":
            return bytes.fromhex(self.sha256.hex)
        again, digest = hashlib.sha256(), hashlib.new(algorithm)
        for chunk in _chunks(self.stream):
            again.update(chunk)
            digest.update(chunk)
        if again.hexdigest() != self.sha256.hex:
            raise Refused(Reason(Code.DIGEST_MISMATCH, f"{self.path} changed while it was read"))
        return digest.digest()

    @contextmanager
    def mapped(self) -> Iterator[memoryview]:
        """The whole file as memory that the kernel fills as it is looked at."""
        if os.fstat(self.stream.fileno()).st_size == 0:  # nothing cannot be mapped
            yield memoryview(b"")
            return
        with mmap.mmap(self.stream.fileno(), 0, access=mmap.ACCESS_READ) as found, memoryview(found) as view:
            yield view


Artifact = ArtifactFile | Digested


@contextmanager
def opened(path: Path) -> Iterator[ArtifactFile]:
    """A file, hashed. Raises TallyError when it is no file, or cannot be read."""
    if "\0" in str(path):
        raise TallyError(f"{str(path)!r} cannot name a file")
    try:
        with os.fdopen(_opened(path), "rb", buffering=0) as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise TallyError(f"{shown(path)} is not a file", hint=_HINT)
            digest = hashlib.sha256()
            for chunk in _chunks(stream):
                digest.update(chunk)
            yield ArtifactFile(path, stream, Sha256(digest.hexdigest()))
    except OSError as error:  # also of those who read it again
        raise cannot_read(path, error, "", _HINT) from error


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError as error:  # here alone: what reads it raises others
        raise cannot_read(path, error, "", _HINT) from error


def _chunks(stream: BinaryIO) -> Iterator[memoryview]:
    stream.seek(0)
    buffer = bytearray(_CHUNK)
    view = memoryview(buffer)
    while count := stream.readinto(buffer):  # type: ignore[attr-defined]  # a raw file has it
        yield view[:count]
