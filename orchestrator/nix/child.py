"""Programs that we start, which end when we do, whatever ends us."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from typing import Any

from orchestrator.ground.interruption import INTERRUPTION

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def started(
    command: Sequence[str], number: signal.Signals = signal.SIGTERM, **how: Any
) -> subprocess.Popen[bytes]:
    """A running program, as `subprocess.Popen` starts it. The kernel sends it `number` when this thread ends.

    An interruption waits until it is started. Raises OSError.
    """
    with INTERRUPTION.held():
        return subprocess.Popen(command, preexec_fn=_ended_with_us(number), **how)  # noqa: PLW1509  it only calls prctl, loaded beforehand


def finished(
    command: Sequence[str], data: bytes | None = None, timeout: float | None = None, **how: Any
) -> subprocess.CompletedProcess[bytes]:
    """The same, run to its end as by `subprocess.run`, in `timeout` seconds. Raises TimeoutExpired, too."""
    stdin = subprocess.DEVNULL if data is None else subprocess.PIPE
    with started(command, stdin=stdin, **how) as process:
        try:
            out, err = process.communicate(data, timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def _ended_with_us(number: signal.Signals) -> Callable[[], None]:
    """What a child of ours does first: see to it that it ends when we do, or has, in this very moment."""
    parent = os.getpid()

    def bind() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:
            os._exit(1)

    return bind
