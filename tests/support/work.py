"""How much work something is, in what does not depend on the machine or on what else it does.

A limit in seconds fails beside other work, and on a slower machine. Steps are lines of Python: the same in
every run. Where the work is in code that is not Python's, how it grows with its input is compared in one run.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappush, heappushpop
from itertools import count
from types import FrameType
from typing import Any

KEPT = 10


def steps(action: Callable[[], object]) -> int:
    """How many lines of Python run in this thread until it returns, or raises."""
    counter = Counter()
    before = sys.gettrace()
    sys.settrace(counter.called)
    try:
        action()
    finally:
        sys.settrace(before)
    return counter.steps


class Counter:
    """Counts lines; `called` is for sys.settrace."""

    def __init__(self) -> None:
        self.steps = 0

    def called(self, frame: FrameType, event: str, given: Any) -> Callable[..., Any]:
        self.steps += 1
        return self._line

    def _line(self, frame: FrameType, event: str, given: Any) -> Callable[..., Any]:
        self.steps += 1
        return self._line


@dataclass
class Costliest:
    """Of many, the few that took longest: only these are worth counting, which takes ten times as long."""

    _kept: list[tuple[float, int, Callable[[], object], int]] = field(default_factory=list)
    _number: count[int] = field(default_factory=count)

    def took(self, seconds: float, again: Callable[[], object], free: int = 0) -> None:
        """One more; `free` steps of it are not counted."""
        entry = (seconds, next(self._number), again, free)
        if len(self._kept) < KEPT:
            heappush(self._kept, entry)
        else:
            heappushpop(self._kept, entry)

    def steps(self) -> int:
        """The most that one of them takes when it is done again."""
        return max(steps(again) - free for _, _, again, free in self._kept)


def growth(of: Callable[[int], Callable[[], object]], size: int, times: int) -> float:
    """How many times the processor time of `size` a `times` larger input takes; `of` makes what is measured.

    About `times` where the work is linear, and its square where it is quadratic. The best of three each.
    """
    small, large = of(size), of(size * times)
    gc.collect()
    return min(_processor(large) for _ in range(3)) / min(_processor(small) for _ in range(3))


def _processor(action: Callable[[], object]) -> float:
    """Without the collector of garbage, whose part hangs on all else that is in the process."""
    gc.disable()
    try:
        begun = time.process_time()
        action()
        return time.process_time() - begun
    finally:
        gc.enable()
