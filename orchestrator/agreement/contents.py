"""Two contents side by side: where they differ, what stands around it, and what it looks like. Streamed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from orchestrator.agreement.cause import Cause, Spot, Window, cause_of
from orchestrator.agreement.order import Stream, same_parts

_CHUNK = 1 << 18
_SMALL = 1 << 14
"""Bytes that are compared before memory for a whole chunk is had: most files are no larger."""
_TO_THE_NEXT_LINE = 64 - 16
_FREE: list[tuple[bytearray, bytearray]] = []
"""What no thread uses now."""
_AROUND = 512
"""Bytes on either side of a difference that its cause is told from: a tar header's length."""
_SPOTS = 64  # differences of one file that are looked at
_RUN = 4096  # bytes of one of them
_QUIET = 8  # equal bytes between two of them


def where(left: Stream, right: Stream, every: Callable[[], object] = lambda: None) -> int | None:
    """The first byte that differs; the shorter one's length when the longer one begins with it.

    `every` is called for each chunk, and stops the comparison by what it raises.
    """
    every()
    start = _SMALL
    first, second = left.read(_SMALL), right.read(_SMALL)
    if first != second:
        return first_difference(first, second)
    if len(first) < _SMALL:
        return None
    read_one, read_other = left.readinto, right.readinto
    with _chunks() as (one, other):
        while True:
            every()
            size, further = read_one(one), read_other(other)
            whole = size == further == _CHUNK
            if one != other if whole else one[:size] != other[:further]:
                return start + first_difference(bytes(one[:size]), bytes(other[:further]))
            if not size:
                return None
            start += size


@contextmanager
def _chunks() -> Iterator[tuple[bytearray, bytearray]]:
    """Memory for two chunks, with anything in it: the same for one content after the other.

    New memory would have to be mapped each time. And this begins with a cache line, which the kernel fills in
    a tenth less time: the first large blocks of the C library begin 16 bytes after one, and a `bytearray`
    without its first bytes begins later in the same memory.
    """
    try:
        found = _FREE.pop()
    except IndexError:
        found = bytearray(_CHUNK + _TO_THE_NEXT_LINE), bytearray(_CHUNK + _TO_THE_NEXT_LINE)
        for each in found:
            del each[:_TO_THE_NEXT_LINE]
    try:
        yield found
    finally:
        _FREE.append(found)


def first_difference(one: bytes, other: bytes) -> int:
    """The first place at which two values differ; the shorter one's length when the longer begins with it."""
    low, high = 0, min(len(one), len(other))
    if one[:high] == other[:high]:
        return high
    while high - low > 1:  # the first difference is in low..high
        middle = (low + high) // 2
        if one[low:middle] != other[low:middle]:
            high = middle
        else:
            low = middle
    return low


def told(name: str, left: Stream, right: Stream, offset: int, *, same_size: bool) -> Cause:
    """What the first difference looks like; a later one, where that tells more than a value without sense.

    A file that holds a digest of itself, as a program its build id, shows that first.
    """
    spot = spot_at(name, left, right, offset)
    is_text = not any(b"\0" in each.data for each in (spot.first, spot.second))
    if same_size and is_text and same_parts(left, right):
        return Cause.ORDERING
    first = cause_of(spot)
    if first not in (Cause.UNKNOWN, Cause.IDENTIFIER) or not same_size:
        return first
    for further in later(left, right, offset):
        found = cause_of(spot_at(name, left, right, further))
        if found not in (Cause.UNKNOWN, Cause.IDENTIFIER):
            return found
    return first


def spot_at(name: str, left: Stream, right: Stream, offset: int) -> Spot:
    """What a cause is told from; `name` is the file's own, without its folder."""
    left.seek(0)
    head = left.read(_AROUND)
    start = max(offset - _AROUND, 0)
    found = []
    for stream in (left, right):
        stream.seek(start)
        found.append(Window(stream.read(offset - start + _AROUND), offset - start))
    return Spot(name, head, offset, *found)


def later(left: Stream, right: Stream, offset: int) -> Iterator[int]:
    """Where two files of one size differ after their first difference, each with equal bytes before it."""
    for _ in range(_SPOTS):
        left.seek(offset)
        right.seek(offset)
        one, other = left.read(_RUN), right.read(_RUN)
        offset += _end_of_run(one, other)
        left.seek(offset)
        right.seek(offset)
        further = where(left, right)
        if further is None:
            return
        offset += further
        yield offset


def _end_of_run(one: bytes, other: bytes) -> int:
    """After how many bytes the sides are equal for a while."""
    equal = 0
    for place, (left, right) in enumerate(zip(one, other, strict=False), 1):
        equal = equal + 1 if left == right else 0
        if equal == _QUIET:
            return place
    return len(one)
