"""How long a duration reads and how wide a text is on a terminal. Pure."""

from __future__ import annotations

import unicodedata


def elapsed(seconds: float) -> str:
    """A duration as people read it: `9 s`, `1:05`, `2:00:07`."""
    whole = max(int(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    minutes, seconds = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def columns(text: str) -> int:
    """How many columns of a terminal a text without control characters fills."""
    return sum(_columns(character) for character in text)


def fitted(text: str, width: int) -> str:
    """The text, cut with an ellipsis to fill no more than `width` columns."""
    if columns(text) <= width:
        return text
    kept, used = [], 1  # the ellipsis fills one
    for character in text:
        used += _columns(character)
        if used > width:
            break
        kept.append(character)
    return "".join(kept) + ("…" if width > 0 else "")


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
