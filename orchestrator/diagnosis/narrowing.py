"""The fewest of many changes that are enough, by trying some at a time. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def narrowed(every: Sequence[T], enough: Callable[[Sequence[T]], bool]) -> tuple[T, ...]:
    """A part of `every` that is enough, and of which no one can be left out; `every` itself is enough.

    Delta debugging (Zeller, Hildebrandt: Simplifying and isolating failure-inducing input, 2002): halves,
    then smaller parts and what is left without them. One of N takes about 2 log2 N tries.
    """
    left, parts = list(every), 2
    while len(left) > 1:
        size = -(-len(left) // parts)
        some = [left[at : at + size] for at in range(0, len(left), size)]
        if found := next((part for part in some if enough(part)), None):
            left, parts = found, 2
            continue
        others = [[each for each in left if each not in part] for part in some] if len(some) > 2 else []
        if found := next((part for part in others if enough(part)), None):
            left, parts = found, max(parts - 1, 2)
        elif size == 1:
            break
        else:
            parts = min(2 * parts, len(left))
    return tuple(left)
