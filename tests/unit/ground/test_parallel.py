"""Work shared among a few threads."""

from __future__ import annotations

import threading

import pytest

from orchestrator.ground.errors import TallyError
from orchestrator.ground.parallel import Stopped, in_parallel


def test_everything_is_done_once_and_failures_are_told() -> None:
    seen: list[int] = []

    def work(number: int) -> None:
        seen.append(number)
        if number % 3 == 0:
            raise TallyError(str(number))

    told = dict(in_parallel(range(20), work, threading.Event(), threads=4))
    assert sorted(seen) == sorted(told) == list(range(20))
    assert {number for number, failure in told.items() if failure} == {0, 3, 6, 9, 12, 15, 18}


def test_a_defect_in_the_work_is_raised() -> None:
    def work(number: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(in_parallel([1], work, threading.Event(), threads=4))


def test_nothing_to_do() -> None:
    assert list(in_parallel([], print, threading.Event(), threads=4)) == []


def test_leaving_early_ends_the_threads() -> None:
    stop, begun = threading.Event(), []

    def work(number: int) -> None:
        begun.append(number)
        if number == 0:
            return
        while not stop.wait(0.01):
            pass
        raise Stopped

    before = threading.active_count()
    results = in_parallel(range(100), work, stop, threads=3)
    assert next(results) == (0, None)
    results.close()  # type: ignore[attr-defined]  # would wait for ever for those that nobody stops
    assert threading.active_count() == before
    assert len(begun) <= 4
    assert not stop.is_set()
