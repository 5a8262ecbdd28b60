"""Work on chunks by a second thread, while this one has the next: what hashes need not be waited for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_BEHIND: Final = 8
"""Chunks that wait for that thread, at most: they stay in memory."""


@contextmanager
def aside(work: Callable[[bytes], object]) -> Iterator[Callable[[bytes], None]]:
    """Gives what hands a chunk to `work`, in their order; all is done when this ends.

    For what releases the interpreter's lock. What `work` raises is raised here, at a later chunk or the end.
    """
    from concurrent.futures import Future, ThreadPoolExecutor  # small files need none of what that imports

    waiting: deque[Future[object]] = deque()

    def take(chunk: bytes) -> None:
        waiting.append(other.submit(work, chunk))
        if len(waiting) > _BEHIND:
            waiting.popleft().result()

    with ThreadPoolExecutor(1) as other:
        yield take
        while waiting:
            waiting.popleft().result()
