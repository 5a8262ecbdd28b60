"""A moment by which foreign code has to be done: whoever speaks to it drips its answer, a byte at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from orchestrator.ground.parallel import Stopped

T = TypeVar("T")

_LOOK = 0.2  # seconds between two looks at `stop`


def within(
    seconds: float,
    work: Callable[[], T],
    stop: threading.Event | None = None,
    patience: float | None = None,
    waiting: Callable[[], None] = lambda: None,
) -> T:
    """What `work` returns or raises. Raises TimeoutError when it takes longer, Stopped after `stop`.

    `waiting` is called once where it takes longer than `patience`, in seconds as well.

    It runs in a thread of its own, which is then given up: it should keep to the moment by itself where it
    can, and hold nothing that others wait for.
    """
    until = time.monotonic() + seconds
    told = None if patience is None else time.monotonic() + patience
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
    while not done.wait(max(0.0, min(_LOOK, until - time.monotonic()))):
        if stop is not None and stop.is_set():
            raise Stopped
        if time.monotonic() >= until:
            raise TimeoutError(f"no whole answer in {seconds:.0f} s")
        if told is not None and time.monotonic() >= told:
            told = None
            waiting()
    if raised:
        raise raised[0]
    return returned[0]
