"""In what two files of one name differ, in a few words. Pure."""

from __future__ import annotations

from typing import Final

MOST: Final = 4 << 20
"""Bytes of a file that is looked at."""
_WIDTH: Final = 60


def note(made: bytes, served: bytes) -> str | None:
    """What is known of the difference; None for what is no text, or too large to look at."""
    if max(len(made), len(served)) > MOST:
        return None
    one, other = made.replace(b"\r\n", b"\n"), served.replace(b"\r\n", b"\n")
    if one == other:
        return "line ends alone differ"
    try:
        ours, theirs = one.decode().split("\n"), other.decode().split("\n")
    except UnicodeDecodeError:
        return None
    if sorted(ours) == sorted(theirs):
        return "the same lines in another order"
    for number, (left, right) in enumerate(zip(ours, theirs, strict=False), 1):
        if left != right:
            return f"line {number} is {_shown(left)} in what was made, {_shown(right)} in what is served"
    which, first = ("made", len(theirs)) if len(ours) > len(theirs) else ("served", len(ours))
    return f"what is {which} has more lines, from line {first + 1} on"


def _shown(line: str) -> str:
    return repr(line if len(line) <= _WIDTH else f"{line[:_WIDTH]}…")
