"""Signals that ask us to end, always heard: also where the kernel hands one to another thread than the main.

Python runs handlers in the main thread alone. While that waits for a lock, as for builders, only a signal of
its own wakes it; the handler of another thread's would run whenever the wait ends, after hours perhaps.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_WAKE = signal.SIGURG
"""Means nothing to anybody here; without a handler it is ignored."""


def hear(handler: Callable[[int, FrameType | None], None]) -> None:
    """Let `handler` run in the main thread for each of `ENDING`, soon. Called once, from that thread."""
    main = threading.get_ident()
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    signal.signal(_WAKE, lambda *_: None)
    for number in ENDING:
        signal.signal(number, handler)

    def wake() -> None:
        while caught := os.read(reading, 1):
            if caught[0] in ENDING:
                signal.pthread_kill(main, _WAKE)

    threading.Thread(target=wake, name="signals", daemon=True).start()
