"""A terminal lent to a program in a sandbox: a pseudo-terminal of its own, which never is the user's."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from subprocess import Popen

_CHUNK = 1 << 16
_SIZE = 8
"""Bytes of the kernel's `struct winsize`."""


def is_there() -> bool:
    """Whether somebody sits at a terminal, for input and output."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))


def lent(begin: Callable[[int], Iterator[Popen[bytes]]]) -> int:
    """Run what `begin` begins on a pseudo-terminal, and give its status. The user's is then as before."""
    master, slave = pty.openpty()
    here = sys.stdin.fileno()
    try:
        _resize(here, master)
        with contextmanager(begin)(slave) as process, _raw(here), _resizing(here, master):
            os.close(slave)
            slave = -1
            _relay(here, sys.stdout.fileno(), master)
            return process.wait()
    finally:
        for each in (master, slave):
            if each >= 0:
                os.close(each)


def _relay(source: int, sink: int, master: int) -> None:
    """Until the program's side is closed."""
    listening = [source, master]
    while True:
        ready, _, _ = select.select(listening, [], [])
        if master in ready:
            try:
                data = os.read(master, _CHUNK)
            except OSError:  # EIO: nobody has the other side open any more
                return
            if not data:
                return
            _write(sink, data)
        if source in ready:
            data = os.read(source, _CHUNK)
            if data:
                _write(master, data)
            else:
                listening.remove(source)  # the terminal went away: the program is told by SIGHUP


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


@contextmanager
def _raw(descriptor: int) -> Iterator[None]:
    before = termios.tcgetattr(descriptor)
    tty.setraw(descriptor)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


@contextmanager
def _resizing(here: int, master: int) -> Iterator[None]:
    before = signal.signal(signal.SIGWINCH, lambda *_: _resize(here, master))
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)


def _resize(here: int, master: int) -> None:
    with suppress(OSError):
        size = fcntl.ioctl(here, termios.TIOCGWINSZ, struct.pack("8x"))
        fcntl.ioctl(master, termios.TIOCSWINSZ, size[:_SIZE])
