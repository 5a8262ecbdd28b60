"""Servers of S3's that are busy, that drip, and that stop: without that library, and without a server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.ground.errors import TallyError
from orchestrator.ground.notice import NOTICE
from orchestrator.publishing.objects import patience
from orchestrator.publishing.objects.patience import as_it_comes, wait_as_asked, waiting_for

Busy = Callable[..., float | None]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(NOTICE, "tell", lines.append)
    return lines


@pytest.fixture
def busy() -> Busy:
    found: list[Busy] = []
    events = SimpleNamespace(register_first=lambda name, handler: found.append(handler))
    wait_as_asked(SimpleNamespace(meta=SimpleNamespace(events=events)), "s3://b")
    return found[0]


def answer(status: int, after: str | None) -> tuple[Any, dict[str, Any]]:
    headers = {} if after is None else {"Retry-After": after}
    return SimpleNamespace(status_code=status, headers=headers), {}


@pytest.mark.parametrize(
    ("status", "after", "attempt", "seconds"),
    [
        (429, "2", 1, 2.0),
        (503, "0", 1, 0.0),
        (429, "2", 6, None),
        (429, None, 1, None),
        (404, "2", 1, None),
        (200, "2", 1, None),
        (429, "Wed, 21 Oct 2026 07:28:00 GMT", 2, 2.0),
        (429, "-5", 1, 1.0),
        (429, "nan", 1, 1.0),
    ],
)
def test_how_long(
    busy: Busy, told: list[str], status: int, after: str | None, attempt: int, seconds: float | None
) -> None:
    assert busy(response=answer(status, after), attempts=attempt, caught_exception=None) == seconds
    assert told == []


def test_no_answer_is_that_librarys_own_to_handle(busy: Busy) -> None:
    assert busy(response=None, attempts=1, caught_exception=OSError()) is None


def test_who_waits_long_is_told_and_an_hour_is_refused(busy: Busy, told: list[str]) -> None:
    assert busy(response=answer(429, "20"), attempts=1) == 20
    assert told == ["s3://b answers 429 and has us wait for 20 s"]
    with pytest.raises(TallyError, match=r"Retry-After: 3600") as caught:
        busy(response=answer(429, "3600"), attempts=1)
    assert "goes on where it stopped" in (caught.value.hint or "")


class Body:
    """As that library gives it, with what it reads from."""

    def __init__(self, *chunks: bytes) -> None:
        self._left = list(chunks)
        self._raw_stream = self

    def read1(self, size: int) -> bytes:
        return self._left.pop(0) if self._left else b""


def test_whole_as_it_comes() -> None:
    assert list(as_it_comes(Body(b"a", b"bc"), 3, "k")) == [b"a", b"bc"]
    assert list(as_it_comes(Body(), 0, "k")) == []
    older = SimpleNamespace(iter_chunks=lambda size: iter((b"abc",)))
    assert list(as_it_comes(older, None, "k")) == [b"abc"]


@pytest.mark.parametrize("size", [2, 4])
def test_another_size(size: int) -> None:
    with pytest.raises(TallyError, match=f"stopped in the middle: 3 of {size} bytes came"):
        list(as_it_comes(Body(b"abc"), size, "k"))


def test_one_that_drips(monkeypatch: pytest.MonkeyPatch) -> None:
    now: Iterator[float] = iter(range(0, 10_000, 30))
    monkeypatch.setattr(patience, "time", SimpleNamespace(monotonic=lambda: next(now)))
    with pytest.raises(TallyError, match="comes too slowly: 3 bytes so far"):
        list(as_it_comes(Body(*[b"x"] * 100), 100, "k"))


def test_who_waits_for_an_answer_is_told(monkeypatch: pytest.MonkeyPatch, told: list[str]) -> None:
    monkeypatch.setattr(patience, "MANNERS", SimpleNamespace(patience=0.0))
    with waiting_for("s3://b"):
        until = time.monotonic() + 20
        while not told and time.monotonic() < until:
            time.sleep(0.001)
    assert told == ["waiting for s3://b"]
