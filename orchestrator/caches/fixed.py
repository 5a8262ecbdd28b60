"""Fixed outputs that caches have: taken by the digest that their derivation pins, so that nobody is believed.

A cache is a mirror then, and no signature is asked for. Where it has other bytes, or none, the derivation's
own way is left: what was wrong is handed back, and told only if that fails as well.
"""

from __future__ import annotations

import hashlib
import shutil
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from orchestrator.caches.believed import unusable
from orchestrator.caches.cache import Caches
from orchestrator.caches.narinfo import Narinfo
from orchestrator.caches.room import lacking
from orchestrator.ground.digest import NarHash, OtherDigest, Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import cannot_write
from orchestrator.ground.parallel import in_parallel
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.derivation import Derivation

_TOGETHER = 4
_CHUNK = 1 << 20


def take_fixed(caches: Caches, derivations: Sequence[Derivation], store: ChrootStore) -> list[TallyError]:
    """Have those in `store` that a cache has as they are pinned; what is wrong with the others' is given."""
    errors: list[TallyError] = []
    folder = store.nix.scratch / f"fixed-{uuid.uuid4()}"
    by_path = {each.path: each for each in derivations if each.fixed is not None}

    def work(path: str) -> None:
        errors.extend(_take(caches, by_path[path], store, folder))

    try:
        failures = in_parallel(sorted(by_path), work, caches.http.stop, threads=_TOGETHER)
        errors += [failure for _, failure in failures if failure is not None]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return sorted(errors, key=lambda error: error.message)


def _take(caches: Caches, derivation: Derivation, store: ChrootStore, folder: Path) -> Iterator[TallyError]:
    fixed = derivation.fixed
    assert fixed is not None
    for cache in caches.addresses:
        place = folder / str(uuid.uuid4())
        try:
            narinfo = caches.narinfo(cache, fixed.path)
            if narinfo is None:
                continue
            place.mkdir(parents=True)
            _unpack(caches, derivation, cache, narinfo, place, store)
        except TallyError as error:
            yield error
        except OSError as error:
            yield cannot_write(place, error)
        else:
            return


def _unpack(
    caches: Caches, derivation: Derivation, cache: str, narinfo: Narinfo, place: Path, store: ChrootStore
) -> None:
    """Nothing is unpacked, and nothing enters the store, before the digest is found to be the pinned one."""
    fixed = derivation.fixed
    assert fixed is not None
    # nobody has signed how large it is
    if (why := lacking(store.nix.scratch, narinfo.nar_size)) is not None:
        raise unusable(fixed.path, cache, f"there is no room for its {narinfo.nar_size} bytes: {why}")
    algorithm, wanted, recursive = _pinned(fixed.digest)
    nar, made = place / "nar", place / derivation.name
    try:
        digest = hashlib.new(algorithm)
    except ValueError:
        raise unusable(fixed.path, cache, f"a digest by {algorithm} cannot be checked here") from None
    with nar.open("wb") as stream:
        for piece in caches.bytes_of(fixed.path, cache, narinfo):
            stream.write(piece)
            if recursive:
                digest.update(piece)
    if not recursive:
        with nar.open("rb") as packed, made.open("wb") as stream:
            try:
                for piece in flat_file(packed):
                    digest.update(piece)
                    stream.write(piece)
            except ValueError as error:
                raise unusable(fixed.path, cache, str(error)) from error
    if digest.hexdigest() != wanted:
        raise unusable(
            fixed.path, cache, f"it is {algorithm} {digest.hexdigest()}, and its derivation pins {wanted}"
        )
    if recursive:
        with nar.open("rb") as packed:
            store.nix.run(["nix-store", "--restore", str(made)], stdin=packed)
    nar.unlink()
    if store.add_fixed([made], recursive=recursive, algorithm=algorithm) != [fixed.path]:
        raise unusable(fixed.path, cache, "its derivation's name or digest are those of another path")


def _pinned(digest: Sha256 | NarHash | OtherDigest) -> tuple[str, str, bool]:
    """Algorithm, digest in hexadecimal, and whether it is of the NAR."""
    if isinstance(digest, OtherDigest):
        return digest.algorithm, digest.hex, digest.nar
    return "sha256", digest.hex, isinstance(digest, NarHash)


def flat_file(nar: BinaryIO) -> Iterator[bytes]:
    """The contents of the one file that a NAR is. Raises ValueError where it is anything else."""

    def string() -> bytes:
        size = int.from_bytes(nar.read(8), "little")
        padded = nar.read(-(-size // 8) * 8) if size <= 16 else b""
        if size > 16 or padded[size:] != bytes(-size % 8):
            raise ValueError("it is no single file")
        return padded[:size]

    if [string() for _ in range(4)] != [b"nix-archive-1", b"(", b"type", b"regular"]:
        raise ValueError("it is no single file")
    word = string()
    if word == b"executable" and string() == b"":
        word = string()
    if word != b"contents":
        raise ValueError("it is no single file")
    size = left = int.from_bytes(nar.read(8), "little")
    while left:
        piece = nar.read(min(left, _CHUNK))
        if not piece:
            raise ValueError("it ends in the middle of its file")
        left -= len(piece)
        yield piece
    nar.read(-size % 8)
    if string() != b")" or nar.read(1):
        raise ValueError("something follows its file")
