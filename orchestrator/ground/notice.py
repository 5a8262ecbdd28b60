"""What is told at once to whoever waits, from wherever it is known: by default nobody hears it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final


class Notice:
    """One place for a line that belongs to no answer, as that a host is waited for. From any thread."""

    def __init__(self) -> None:
        self.tell: Callable[[str], None] = lambda _: None


NOTICE: Final = Notice()
"""The command line prints its lines on standard error."""


class Traffic:
    """How many bytes this process has fetched. From any thread: what is shown of it need not be exact."""

    def __init__(self) -> None:
        self.fetched = 0


TRAFFIC: Final = Traffic()
"""What is downloaded is counted here, for whoever looks on."""
