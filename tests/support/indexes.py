"""Debian's indexes of packages, fetched and read by apt once a process: that takes seconds."""

from __future__ import annotations

import atexit
from contextlib import ExitStack
from functools import cache

from orchestrator.pinning.debian import Apt, opened
from orchestrator.sources.mirrors import Mirrors


@cache
def index(suite: str) -> Apt:
    """That of a suite. Raises TallyError when it cannot be had."""
    held = ExitStack()
    # sid's may be past its validity on a mirror; its signature is checked all the same
    apt = held.enter_context(opened(Mirrors().bases("debian"), "amd64", suite, expired=suite == "sid"))
    atexit.register(held.close)
    return apt
