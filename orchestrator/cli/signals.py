"""Signals that ask us to end, always heard: also where the kernel hands one to another thread than the main.

Python runs handlers in the main thread alone. While that waits for a lock, as for builders, only a signal of
its own wakes it; the handler of another thread's would run whenever the wait ends, after hours perhaps. While
it is in foreign code that does not return, as of a PKCS#11 module, no handler runs: then we end without it.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

from orchestrator.ground.errors import ExitCode

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_WAKE = signal.SIGURG
"""Means nothing to anybody here; without a handler it is ignored."""
_PATIENCE = 3.0  # seconds that the main thread has for its first look at a signal, once there is a second one


def hear(handler: Callable[[int, FrameType | None], None]) -> None:
    """Let `handler` run in the main thread for each of `ENDING`, soon. Called once, from that thread.

    What whoever started us keeps from us stays so: nohup a SIGHUP, a script its background jobs a Ctrl-C.
    A signal that comes when an earlier one was not looked at for some seconds ends the process at once.
    """
    main = threading.get_ident()
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    awake = True

    def wake_up(number: int, frame: FrameType | None) -> None:
        nonlocal awake
        awake = True

    def wake() -> None:
        nonlocal awake
        since = 0.0
        while caught := os.read(reading, 1):
            if caught[0] not in ENDING:
                continue
            if awake:
                awake, since = False, time.monotonic()
            elif time.monotonic() - since > _PATIENCE:
                os._exit(ExitCode.INTERRUPTED)
            signal.pthread_kill(main, _WAKE)

    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    signal.signal(_WAKE, wake_up)
    for number in heard():
        signal.signal(number, handler)
    threading.Thread(target=wake, name="signals", daemon=True).start()


def heard() -> list[signal.Signals]:
    """Those of `ENDING` that end this process; SIGTERM always does: by it children end with us, too."""
    return [each for each in ENDING if each == signal.SIGTERM or signal.getsignal(each) is not signal.SIG_IGN]


def ignore() -> None:
    """Nothing of `ENDING` changes the end of this process any more: what it had to say is said."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)
