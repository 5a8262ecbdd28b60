"""Which of a trusted root's logs or authorities is at an address. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")


def named(address: str, among: Sequence[T], address_of: Callable[[T], str]) -> list[T]:
    """Those that have this address; where none has, those of its host."""
    exactly = [each for each in among if address_of(each).rstrip("/") == address.rstrip("/")]
    host = urlsplit(address).hostname
    return exactly or [each for each in among if urlsplit(address_of(each)).hostname == host]
