"""Judging many releases on all CPUs: this process, once it has read what it needs, forks one worker for each.

Nothing is started anew, and what a worker has to know it has already. Verdicts come back through pipes, in
order. A worker that is killed takes none with it: what it leaves is judged here.
"""

from __future__ import annotations

import os
import pickle
import signal
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from orchestrator.cli import signals
from orchestrator.ground.interruption import INTERRUPTION

T = TypeVar("T")

if TYPE_CHECKING:
    from orchestrator.ground.errors import TallyError
    from orchestrator.policy.verdict import Verdict

    Judge = Callable[[T], Verdict | TallyError]

_MOST = 8


def judged(targets: Sequence[T], judge: Judge[T]) -> Iterator[Verdict | TallyError]:
    """What `judge` says of each, in order. What it raises is raised here, when its turn has come."""
    with ExitStack() as ending:
        workers = min(_MOST, len(os.sched_getaffinity(0)))
        streams = [
            None if workers == 1 else _worker(targets[number::workers], judge, ending)
            for number in range(workers)
        ]
        for place, target in enumerate(targets):
            stream = streams[place % workers]
            verdict = None if stream is None else _next(stream)
            yield judge(target) if verdict is None else verdict


def _worker(share: Sequence[T], judge: Judge[T], ending: ExitStack) -> BinaryIO | None:
    """The stream of a new worker's verdicts, which ends with its share; None where the machine has no room.

    A worker that nobody reads any more ends by itself.
    """
    reading, writing = os.pipe()
    try:
        # warnings are of the thread for signals, which may stay behind
        with INTERRUPTION.held(), warnings.catch_warnings(action="ignore"):
            pid = os.fork()
    except OSError:
        os.close(reading)
        os.close(writing)
        return None
    if pid == 0:
        os.close(reading)
        _work(share, judge, writing)
    os.close(writing)
    stream = ending.enter_context(os.fdopen(reading, "rb"))
    ending.callback(_end, pid)  # before the stream is closed
    return stream


def _work(share: Sequence[T], judge: Judge[T], writing: int) -> None:
    """The whole life of a worker."""
    try:
        signal.set_wakeup_fd(-1)  # that pipe is the parent's
        for number in signals.heard():
            signal.signal(number, signal.SIG_DFL)
        with os.fdopen(writing, "wb") as stream:
            for target in share:
                stream.write(pickle.dumps(judge(target)))
                stream.flush()
    except BaseException:  # noqa: BLE001  whatever it is, the parent finds it as well, and tells of it
        os._exit(1)
    os._exit(0)


def _next(stream: BinaryIO) -> Verdict | TallyError | None:
    """The next verdict; None: the worker has ended without it."""
    try:
        found: Verdict | TallyError = pickle.load(stream)  # of a fork of this very process
    except (EOFError, OSError, pickle.UnpicklingError):
        return None
    return found


def _end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
