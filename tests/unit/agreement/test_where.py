"""Where two contents differ first, chunk after chunk, in memory that held others' bytes before."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from itertools import zip_longest
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.agreement import contents

CHUNK = 8


@pytest.fixture(autouse=True, scope="module")
def small_chunks() -> Iterator[None]:
    """As large ones, for contents that can be tried by the thousand."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(contents, "_CHUNK", CHUNK)
        patched.setattr(contents, "_SMALL", 2)
        patched.setattr(contents, "_FREE", [])
        yield


def _expected(one: bytes, other: bytes) -> int | None:
    pairs = zip_longest(one, other)
    return next((place for place, (left, right) in enumerate(pairs) if left != right), None)


@st.composite
def _alike(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """Two contents that are the same for a while, and often to the end of one of them."""
    same = draw(st.binary(max_size=4 * CHUNK))
    rests = st.one_of(st.just(b""), st.binary(max_size=2 * CHUNK))
    return same + draw(rests), same + draw(rests)


@given(st.lists(_alike(), min_size=1, max_size=4))
def test_one_pair_after_the_other(pairs: list[tuple[bytes, bytes]]) -> None:
    """What a chunk has from the pair before must never be a difference, nor hide one."""
    for one, other in pairs:
        assert contents.where(BytesIO(one), BytesIO(other)) == _expected(one, other)


def test_two_threads_have_no_chunk_in_common() -> None:
    found: list[int | None] = []

    class Slow(BytesIO):
        """While it is read, another pair is compared as a whole."""

        def readinto(self, buffer: bytearray, /) -> int:  # type: ignore[override]
            other = Thread(target=lambda: contents.where(BytesIO(b"x" * 99), BytesIO(b"x" * 98 + b"y")))
            size = super().readinto(buffer)
            other.start()
            other.join()
            return size

    found.append(contents.where(Slow(b"abc" * 20), Slow(b"abc" * 20)))
    found.append(contents.where(Slow(b"abc" * 20), Slow(b"abc" * 19 + b"abd")))
    assert found == [None, 59]


def test_memory_is_given_back_where_reading_fails() -> None:
    class Broken(BytesIO):
        def readinto(self, _: bytearray, /) -> int:  # type: ignore[override]
            raise OSError("no")

    contents.where(BytesIO(b"x" * 99), BytesIO(b"x" * 99))
    before = len(contents._FREE)
    with pytest.raises(OSError, match="no"):
        contents.where(Broken(b"x" * 99), BytesIO(b"x" * 99))
    assert len(contents._FREE) == before >= 1
