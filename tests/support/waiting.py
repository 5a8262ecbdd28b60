"""Waiting for what has to happen, however busy the machine is."""

from __future__ import annotations

import time
from collections.abc import Callable

HANGS = 600.0
"""Seconds after which it never comes. No limit that anything has to keep: nothing takes a tenth of it."""


def wait_for(happened: Callable[[], object], otherwise: str | Callable[[], str]) -> None:
    """Return once `happened` says so; `otherwise` tells what it means that it does not."""
    until = time.monotonic() + HANGS
    while not happened():
        if time.monotonic() > until:
            raise AssertionError(otherwise if isinstance(otherwise, str) else otherwise())
        time.sleep(0.05)
