"""Two contents side by side, around the first place where they differ. Pure; bounded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Final

from orchestrator.report.plain import plain

AROUND: Final = 4096
"""Bytes before and after the first difference that are looked at."""
_ROWS: Final = 40
_LINE: Final = 400  # characters
_LINES: Final = 80
_CONTEXT: Final = 3  # equal lines around those that differ
_WIDE: Final = 16  # bytes of a row of no text


@dataclass(frozen=True, slots=True)
class Cell:
    """One side of a row: parts of a line, those that differ marked."""

    place: str
    """A line's number or an offset; empty: this side has no such line."""
    parts: tuple[tuple[bool, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """Two lines beside each other."""

    left: Cell
    right: Cell

    @property
    def differs(self) -> bool:
        return self.left.parts != self.right.parts or self.left.place == "" or self.right.place == ""


@dataclass(frozen=True, slots=True)
class Extract:
    """Bytes of one side around the first difference."""

    data: bytes
    start: int = 0
    """Where in the file they begin."""
    lines: int = 0
    """Line ends before them, as far as they were counted."""


def rows(one: Extract, other: Extract) -> tuple[Row, ...]:
    """Both sides, line by line where both are text, else in hexadecimal."""
    texts = _text(one), _text(other)
    if texts[0] is None or texts[1] is None:
        return tuple(_hexadecimal(one, other))
    return tuple(_lines(texts[0], texts[1], one.lines, other.lines))[:_ROWS]


def _text(extract: Extract) -> list[str] | None:
    """Its lines; None where it is no text. A letter that the extract begins or ends within is left out."""
    data = extract.data
    if b"\0" in data:
        return None
    for begin in range(4):
        for end in range(len(data), max(len(data) - 4, 0) - 1, -1):
            try:
                return data[begin:end].decode().removesuffix("\n").split("\n")
            except UnicodeDecodeError:
                continue
        if not extract.start:
            return None
    return None


def _lines(one: list[str], other: list[str], before: int, also: int) -> Iterator[Row]:
    # what is the same before goes, and what is far behind: comparing lines takes the square of their number
    same = next(
        (at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
    skip = max(same - _CONTEXT, 0)
    one, other, before, also = (
        one[skip : skip + _LINES],
        other[skip : skip + _LINES],
        before + skip,
        also + skip,
    )
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    for number, group in enumerate(matcher.get_grouped_opcodes(_CONTEXT)):
        if number:
            yield Row(Cell("…"), Cell("…"))
        for tag, start, end, begin, stop in group:
            left = [(before + place + 1, one[place]) for place in range(start, end)]
            right = [(also + place + 1, other[place]) for place in range(begin, stop)]
            if tag == "equal":
                yield from (
                    Row(Cell(str(at), _same(line)), Cell(str(there), _same(line)))
                    for (at, line), (there, _) in zip(left, right, strict=True)
                )
            else:
                yield from (_beside(here, there) for here, there in zip_longest(left, right))


def _same(line: str) -> tuple[tuple[bool, str], ...]:
    return ((False, plain(line, _LINE)),)


def _beside(here: tuple[int, str] | None, there: tuple[int, str] | None) -> Row:
    if here is None or there is None:
        cells = [
            Cell("") if each is None else Cell(str(each[0]), ((True, plain(each[1], _LINE)),))
            for each in (here, there)
        ]
        return Row(cells[0], cells[1])
    one, other = here[1], there[1]
    same = _common(one, other)
    from_end = _common(one[same:][::-1], other[same:][::-1])
    return Row(*(Cell(str(at), _marked(line, same, from_end)) for at, line in (here, there)))


def _common(one: str, other: str) -> int:
    """Characters that two texts begin with alike."""
    return next(
        (at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def _marked(line: str, same: int, from_end: int) -> tuple[tuple[bool, str], ...]:
    """A line with what differs marked; of what is the same around it the part next to it."""
    end = len(line) - from_end
    start, stop = max(same - _LINE // 2, 0), min(end + _LINE // 2, len(line))
    before = ("…" if start else "") + plain(line[start:same])
    after = plain(line[end:stop]) + ("…" if stop < len(line) else "")
    parts = ((False, before), (True, plain(line[same:end], _LINE)), (False, after))
    return tuple(part for part in parts if part[1])


def _hexadecimal(one: Extract, other: Extract) -> Iterator[Row]:
    """The rows of 16 bytes that differ, with one before and one after; both extracts begin at one offset."""
    length = max(len(one.data), len(other.data))
    skew = one.start % _WIDE
    starts = range(-skew, length, _WIDE)
    pairs = {at: tuple(side.data[max(at, 0) : at + _WIDE] for side in (one, other)) for at in starts}
    wanted = [at for at in starts if pairs[at][0] != pairs[at][1]][: _ROWS // 2]
    shown = sorted({near for at in wanted for near in (at - _WIDE, at, at + _WIDE) if near in pairs})[:_ROWS]
    for number, at in enumerate(shown):
        if number and at != shown[number - 1] + _WIDE:
            yield Row(Cell("…"), Cell("…"))
        left, right = pairs[at]
        place = f"{one.start + max(at, 0):08x}"
        yield Row(_bytes(place, left, right), _bytes(place, right, left))


def _bytes(place: str, data: bytes, other: bytes) -> Cell:
    if not data:
        return Cell("")
    parts: list[tuple[bool, str]] = []
    for at, octet in enumerate(data):
        marked = at >= len(other) or other[at] != octet
        if parts and parts[-1][0] == marked:
            parts[-1] = (marked, f"{parts[-1][1]} {octet:02x}")
        else:
            parts.append((marked, f"{octet:02x}" if not parts else f" {octet:02x}"))
    letters = "".join(chr(octet) if 0x20 <= octet < 0x7F else "·" for octet in data)
    return Cell(place, (*parts, (False, f"  {letters}")))
