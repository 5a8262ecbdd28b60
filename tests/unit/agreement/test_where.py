"""Where two contents differ first, chunk after chunk, in memory that held others' bytes before."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from io import BytesIO
from itertools import zip_longest
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.agreement import contents
from orchestrator.places.content import Filed, Stream

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


def test_a_file_system_that_gives_less_than_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one in user space may: what was not given yet is asked for, and is no end and no difference."""
    sizes = itertools.cycle([3, 1, 5])
    read, fill = os.pread, os.preadv
    monkeypatch.setattr(os, "pread", lambda file, size, at: read(file, min(size, next(sizes)), at))
    monkeypatch.setattr(
        os, "preadv", lambda file, parts, at: fill(file, [memoryview(parts[0])[: next(sizes)]], at)
    )
    for name, data in (("one", b"abc" * 20), ("same", b"abc" * 20), ("other", b"abc" * 19 + b"abd")):
        (tmp_path / name).write_bytes(data)
    with (
        (tmp_path / "one").open("rb") as one,
        (tmp_path / "same").open("rb") as same,
        (tmp_path / "other").open("rb") as other,
    ):
        assert contents.where(Stream(Filed(one)), Stream(Filed(same))) is None
        assert contents.where(Stream(Filed(one)), Stream(Filed(other))) == 59
        assert Filed(one).at(0, 99) == b"abc" * 20
