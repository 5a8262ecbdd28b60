"""An interruption that a user asks for: raised once, in the main thread, and not where it would break things.

A signal's handler can raise anywhere, also within what has to be done whole. Around a fork Python holds locks
of its own and of its libraries: one that an exception leaves locked stops every thread that forks later, and
with them whoever waits for those threads.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from orchestrator.ground.errors import ExitCode

_PATIENCE = 3.0  # seconds after the first signal in which more of them, as of a shaking hand, change nothing


class Interruption:
    """What was heard of signals, and what became of it."""

    def __init__(self) -> None:
        self.wanted = False
        """Whether to raise at all: while a command runs, since nobody would catch it before and after."""
        self.ever = False
        self.asking = False
        """Whether somebody was being asked for a secret when it came, at a prompt that waits for a line."""
        self._heard: list[float] = []  # when each came, in seconds of the monotonic clock
        self._raised = False
        self._held = 0

    @property
    def heard(self) -> bool:
        return bool(self._heard)

    def hear(self, number: int, frame: FrameType | None) -> None:
        """A signal's handler. The first asks for an orderly end; a much later one, for an end at once."""
        self.ever = True
        self._heard.append(time.monotonic())
        if self._heard[-1] - self._heard[0] > _PATIENCE:
            os._exit(ExitCode.INTERRUPTED)  # what we started is told by the kernel that we are gone
        self.come()

    def come(self) -> None:
        """Raises KeyboardInterrupt if one is due."""
        if self._heard and self.wanted and not self._held and not self._raised:
            self._raised = True
            raise KeyboardInterrupt

    def again(self) -> None:
        """It was lost: the next signal is the first."""
        self._heard.clear()
        self._raised = False

    @contextmanager
    def held(self) -> Iterator[None]:
        """In this block it waits for the block's end. Other threads than the main are never interrupted."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
            self.come()


INTERRUPTION: Final = Interruption()
"""This process's."""
