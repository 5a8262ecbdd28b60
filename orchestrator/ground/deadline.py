"""A moment by which foreign code has to be done: whoever speaks to it drips its answer, a byte at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from orchestrator.ground.parallel import Stopped

T = TypeVar("T")

_LOOK = 0.2  # seconds between two looks at `stop`


class Deadline:
    """A moment, and who is told that it is waited for: looked at between two waits."""

    def __init__(
        self,
        seconds: float,
        stop: threading.Event | None = None,
        patience: float | None = None,
        waiting: Callable[[], None] = lambda: None,
    ) -> None:
        """`waiting` is called once where it takes longer than `patience`, in seconds as well."""
        began = time.monotonic()
        self._seconds, self._until = seconds, began + seconds
        self._told = None if patience is None else began + patience
        self._stop, self._waiting = stop, waiting

    def look(self) -> None:
        """Raises TimeoutError where the moment is past, Stopped after `stop`."""
        if self._stop is not None and self._stop.is_set():
            raise Stopped
        now = time.monotonic()
        if now >= self._until:
            raise TimeoutError(f"no whole answer in {self._seconds:.0f} s")
        if self._told is not None and now >= self._told:
            self._told = None
            self._waiting()

    def beside(self, work: Callable[[], T]) -> T:
        """What `work` returns or raises. Raises what `look` does.

        It runs in a thread of its own, which is then given up: it should keep to the moment by itself where
        it can, and hold nothing that others wait for.
        """
        returned: list[T] = []
        raised: list[BaseException] = []
        done = threading.Event()

        def run() -> None:
            try:
                returned.append(work())
            except BaseException as error:  # noqa: BLE001  for whoever waits
                raised.append(error)
            finally:
                done.set()

        # a daemon: a silent host must not keep a process alive
        threading.Thread(target=run, name="deadline", daemon=True).start()
        while not done.wait(max(0.0, min(_LOOK, self._until - time.monotonic()))):
            self.look()
        if raised:
            raise raised[0]
        return returned[0]


def within(seconds: float, work: Callable[[], T]) -> T:
    """What `work` returns or raises, as a deadline of its own has it."""
    return Deadline(seconds).beside(work)
