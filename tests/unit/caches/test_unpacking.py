"""Unpacking what a cache compressed: frames one after the other, and work that grows as the bytes do."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator

import pytest
from caches import COMPRESSIONS
from work import growth

from orchestrator.caches.unpacking import unpacked
from orchestrator.ground.digest import NarHash

PARTS = (b"", b"a" * 5_000, b"b", b"", random.Random(1).randbytes(3_000))
WHOLE = b"".join(PARTS)


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


@pytest.mark.parametrize("size", [1, 63, 64, 65, 1 << 20])
@pytest.mark.parametrize("compression", [name for name in COMPRESSIONS if name != "none"])
def test_streams_one_after_the_other_are_one(compression: str, size: int) -> None:
    packed = b"".join(map(COMPRESSIONS[compression], PARTS))
    made = unpacked(pieces(packed, size), compression, NarHash.of(WHOLE), len(WHOLE))
    assert b"".join(made) == WHOLE


def test_a_large_chunk_of_zstd_costs_no_more_than_its_parts() -> None:
    def of(size: int) -> Callable[[], object]:
        nar = random.Random(size).randbytes(size)
        packed, hash_ = COMPRESSIONS["zstd"](nar), NarHash.of(nar)
        return lambda: deque(unpacked([packed], "zstd", hash_, size), maxlen=0)

    assert growth(of, 1 << 18, 8) < 32, "64 where it is the square"
