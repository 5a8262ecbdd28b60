"""Chunks that another thread works on: all of them, in their order, and what fails is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator

import pytest

from orchestrator.ground.aside import aside


def test_every_chunk_is_worked_on_in_order_before_it_ends() -> None:
    seen: list[tuple[bytes, bool]] = []
    own = threading.get_ident()
    with aside(lambda chunk: seen.append((chunk, threading.get_ident() == own))) as take:
        for number in range(100):
            take(b"%d" % number)
    assert seen == [(b"%d" % number, False) for number in range(100)]


@pytest.mark.parametrize("chunks", [1, 100])
def test_what_fails_there_fails_here(chunks: int) -> None:
    def fail(_: bytes) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        _hand(fail, [b"1"] * chunks)


def test_what_fails_here_leaves_no_thread_behind() -> None:
    def broken() -> Iterator[bytes]:
        yield b"1"
        raise KeyError

    before = threading.active_count()
    with pytest.raises(KeyError):
        _hand(bytes, broken())
    assert threading.active_count() == before


def test_few_chunks_wait_in_memory() -> None:
    """A server that sends faster than this machine hashes must not fill its memory."""
    goes_on, taken = threading.Event(), [0]

    def work(_: bytes) -> None:
        goes_on.wait(10)

    def feed() -> None:
        with aside(work) as take:
            for _ in range(1000):
                taken[0] += 1
                take(b"1")

    feeding = threading.Thread(target=feed)
    feeding.start()
    feeding.join(0.3)
    waiting = taken[0]
    goes_on.set()
    feeding.join(10)
    assert waiting < 20 and taken[0] == 1000


def _hand(work: Callable[[bytes], object], chunks: Iterable[bytes]) -> None:
    with aside(work) as take:
        for chunk in chunks:
            take(chunk)
