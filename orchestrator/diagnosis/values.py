"""What the two values at a place are, as words. Pure."""

from __future__ import annotations

import re
from typing import Final

from orchestrator.agreement.cause import Cause, Window
from orchestrator.places.place import Place

_WORD: Final = re.compile(rb"\w+")
_SMALL: Final = re.compile(rb"\d{1,5}")


def words(place: Place) -> tuple[bytes, bytes] | None:
    """The word on each side that the difference lies in; None: there is none on one of them."""
    if place.spot is None:
        return None
    one, other = _word(place.spot.first), _word(place.spot.second)
    return None if one is None or other is None else (one, other)


def has_numbers(place: Place) -> bool:
    """Whether two decimal numbers differ that look like nothing else."""
    both = words(place)
    return place.cause is Cause.UNKNOWN and both is not None and all(word.isdigit() for word in both)


def has_small_numbers(place: Place) -> bool:
    """Whether two numbers below 100,000 differ: a count or a process, and hardly a time or a random value."""
    both = words(place)
    return both is not None and all(_SMALL.fullmatch(word) for word in both)


def _word(side: Window) -> bytes | None:
    for found in _WORD.finditer(side.data):
        if found.start() <= side.position <= found.end():
            return found[0]
    return None
