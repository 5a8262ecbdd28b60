"""What is asked of servers, and what comes of it: who asks, manners, an answer. It fetches nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Self

from orchestrator.ground.addresses import unseen
from orchestrator.ground.unreachable import Unreachable
from orchestrator.ground.values import dataclass

CHUNK: Final = 1 << 18
CONNECT_TIMEOUT: Final = 15.0
READ_TIMEOUT: Final = 60.0
DRAINED: Final = 1 << 16
"""Bytes of an answer that are read though nobody wants them, so that the next request has the connection."""
PAGE_LIMIT: Final = 64 << 20
PAGE_TIMEOUT: Final = 300.0
"""Seconds for the whole of a page, and for the headers of a file, with all that is tried again."""


class Authorised(str):
    """An address that is asked for with headers that say who asks. They are no part of what is shown of it.

    They go nowhere else: a redirection to another host takes no `Authorization` along. Raises ValueError
    where others could read them on the way.
    """

    __slots__ = ("headers",)
    headers: Mapping[str, str]

    def __new__(cls, address: str, headers: Mapping[str, str]) -> Self:
        if not unseen(address):
            raise ValueError("what says who asks is sent over https alone")
        made = super().__new__(cls, address)
        made.headers = headers
        return made


@dataclass(frozen=True)
class Answered:
    """An answer, whatever it is."""

    status: int
    headers: Mapping[str, str]
    """Their names may be in any case."""
    chunks: Iterator[bytes]
    """The body as it comes. Raises Unreachable."""

    def small(self, limit: int) -> bytes:
        """The whole body. Raises Unreachable for one that is larger than `limit`."""
        return bounded(self.chunks, limit)


@dataclass(frozen=True)
class Manners:
    """What is asked of servers that nobody vouches for."""

    answer: float = PAGE_TIMEOUT
    """Seconds until an answer begins, with all that is tried again."""
    grace: float = 60.0
    """Seconds in which a file may come more slowly than `pace`."""
    pace: int = 1024
    """Bytes a second, on the whole."""
    patience: float = 5.0
    """Seconds without an answer until whoever waits is told so."""
    downgrade: bool = True
    """Whether what was asked for over https may be fetched over http, where a redirection says so."""
    inward: bool = True
    """Whether a host outside may redirect to one inside this network: see inward.py."""

    def is_slow(self, seconds: float, size: int) -> bool:
        """Whether what came in this time is too little."""
        return seconds > self.grace and size < self.pace * seconds


def bounded(chunks: Iterator[bytes], limit: int = PAGE_LIMIT) -> bytes:
    """The whole of a body. Raises Unreachable for one that is larger."""
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > limit:
            raise Unreachable("the page is too large")
    return bytes(body)
