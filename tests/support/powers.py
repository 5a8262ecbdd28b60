"""What root may do to files, taken away for a while: without it nothing is unreadable to root's tests."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

_VERSION = 0x20080522  # _LINUX_CAPABILITY_VERSION_3 (capget(2)): two words of 32 bits for each set
_PAST_PERMISSIONS = (1 << 1) | (1 << 2)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


@contextmanager
def as_anybody() -> Iterator[None]:
    """This thread is bound by the permissions of files, whoever runs it."""
    before = _capabilities()
    fewer = _capabilities()
    fewer[0].effective &= ~_PAST_PERMISSIONS
    _call("capset", fewer)
    try:
        yield
    finally:
        _call("capset", before)


def _capabilities() -> ctypes.Array[_Sets]:
    found = (_Sets * 2)()
    _call("capget", found)
    return found


def _call(name: str, sets: ctypes.Array[_Sets]) -> None:
    function = getattr(ctypes.CDLL(None, use_errno=True), name)
    if function(ctypes.byref(_Header(_VERSION, 0)), sets) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
