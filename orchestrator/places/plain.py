"""Contents that lie in nothing further: lines of text, or bytes at an offset."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

from orchestrator.agreement.cause import Cause, Spot, Window, cause_of
from orchestrator.agreement.contents import first_difference, later, spot_at
from orchestrator.agreement.order import same_parts
from orchestrator.ground.values import dataclass, replace
from orchestrator.places.content import Content, Stream
from orchestrator.places.place import LONGEST, Aspect, printable

_CHUNK: Final = 1 << 20
_CONTEXT: Final = 40
"""Characters before a difference that its value shows."""
_BYTES: Final = 16
_TEXT: Final = bytes({*range(0x20, 0x7F), 9})
_CONTROL: Final = bytes({*range(0x20), 0x7F} - {*b"\t\n\r\f\x1b"})
_HIGH: Final = bytes(range(0x80, 0x100))
_SHORTEST: Final = 4  # characters that make a text, as strings(1) has it
_NEAR: Final = 1 << 16
"""Bytes in which two texts are looked for the same line again, and the longest line that is."""
_FAR: Final = 48  # lines in which two texts are looked for the same line again


@dataclass(frozen=True, slots=True)
class Leaf:
    """One difference of two contents."""

    offset: int
    where: str
    values: tuple[str, str]
    spot: Spot
    cause: Cause
    aspect: Aspect = Aspect.CONTENT
    more: bool = False
    """Whether more differs after it, which is not told."""


def leaves(name: str, first: Content, second: Content, offset: int, most: int) -> Iterator[Leaf]:
    """What differs, from its first difference on: `most` of it, the first ones."""
    found = list(islice(_leaves(name, first, second, offset), most + 1))
    yield from found[: most - 1]
    yield from (replace(each, more=len(found) > most) for each in found[most - 1 : most])


def _leaves(name: str, first: Content, second: Content, offset: int) -> Iterator[Leaf]:
    left, right = Stream(first), Stream(second)
    spot = spot_at(name, left, right, offset)
    is_text = _is_text(spot.first.data) and _is_text(spot.second.data)
    same_size = first.size == second.size
    if is_text and same_size and same_parts(left, right):
        values, where = _text_values(spot), f"line {_line(first, offset)}"
        yield Leaf(offset, f"order of lines, from {where}", values, spot, Cause.ORDERING, Aspect.ORDER)
        return
    if is_text and not same_size:
        yield from _lines(name, first, second, offset)
        return
    line, counted = (_line(first, offset), offset) if is_text else (0, 0)
    before = -1
    for at in _offsets(left, right, offset, same_size=same_size):
        here = spot_at(name, left, right, at)
        if is_text:
            line, counted = line + _feeds(first, counted, at), at
            if line == before:
                continue  # one line is told once
            before = line
        values = _text_values(here) if is_text else _values(here)
        yield Leaf(at, f"line {line}" if is_text else "", values, here, cause_of(here))


def _is_text(data: bytes) -> bool:
    """Whether bytes are lines that somebody reads: no NUL, few control characters, and mostly UTF-8."""
    if b"\0" in data or len(data.translate(None, _CONTROL)) < len(data) * 0.98:
        return False
    high = len(data) - len(data.translate(None, _HIGH))
    return high < len(data) * 0.3 or data.decode("utf-8", "replace").count("\ufffd") < len(data) * 0.05


def _offsets(left: Stream, right: Stream, offset: int, *, same_size: bool) -> Iterator[int]:
    yield offset
    if same_size:
        yield from later(left, right, offset)


def _line(content: Content, offset: int) -> int:
    """The number of the line that a byte is on."""
    return 1 + _feeds(content, 0, offset)


def _feeds(content: Content, start: int, end: int) -> int:
    found = 0
    while start < end:
        chunk = content.at(start, min(_CHUNK, end - start))
        if not chunk:
            break
        found += chunk.count(b"\n")
        start += len(chunk)
    return found


def _lines(name: str, first: Content, second: Content, offset: int) -> Iterator[Leaf]:
    """Where two texts of different sizes differ: each time their lines have met again."""
    left, right = Stream(first), Stream(second)
    at = offset, offset
    one, other = _start(first, offset), _start(second, offset)
    number = _line(first, one)
    while one < first.size or other < second.size:
        spot = _spot(name, left, right, (one, other), at)
        yield Leaf(spot.offset, f"line {number}", _text_values(spot), spot, cause_of(spot))
        ours, theirs = _following(first, one), _following(second, other)
        if (met := _meeting(ours, theirs)) is not None:
            number += met[0]
            one += sum(map(len, ours[: met[0]]))
            other += sum(map(len, theirs[: met[1]]))
        elif _is_near(first, one, ours) and _is_near(second, other, theirs):
            return
        else:  # one of the lines is too long for that
            number, one, other = number + 1, _end(first, at[0]), _end(second, at[1])
        same = _same(first, second, one, other)
        at = one + same, other + same
        if at[0] >= first.size and at[1] >= second.size:
            return
        step = _start(first, at[0]) - one  # back to where the line that differs begins
        number += _feeds(first, one, one + step)
        one, other = one + step, other + step


def _end(content: Content, offset: int) -> int:
    """Where the line of a byte ends, its line feed with it."""
    while chunk := content.at(offset, _CHUNK):
        if (found := chunk.find(b"\n")) >= 0:
            return offset + found + 1
        offset += len(chunk)
    return max(offset, content.size)


def _start(content: Content, offset: int) -> int:
    """Where the line of a byte begins; not further back than a line is long."""
    before = content.at(max(offset - _CHUNK, 0), min(offset, _CHUNK))
    return max(offset - _CHUNK, 0) + before.rfind(b"\n") + 1


def _following(content: Content, start: int) -> list[bytes]:
    """The next lines, as far as they are near, and whole."""
    data = content.at(start, _NEAR)
    lines = data.split(b"\n", _FAR)  # `splitlines` knows other ends, too
    whole = [line + b"\n" for line in lines[:-1]]
    is_last = len(lines) <= _FAR and start + len(data) >= content.size
    return [*whole, lines[-1]] if is_last and lines[-1] else whole


def _is_near(content: Content, start: int, lines: list[bytes]) -> bool:
    """Whether these are as many lines as are looked through, or all that follow."""
    return len(lines) == _FAR or start + sum(map(len, lines)) >= content.size


def _meeting(ours: list[bytes], theirs: list[bytes]) -> tuple[int, int] | None:
    """After how many lines of each side the same line stands on both, that of the fewest lines."""
    places: dict[bytes, int] = {}
    for index, line in enumerate(theirs):
        if line.strip():
            places.setdefault(line, index)
    met = [(index + places[line], index, places[line]) for index, line in enumerate(ours) if line in places]
    return min(met)[1:] if met else None


def _same(first: Content, second: Content, one: int, other: int) -> int:
    """How many bytes are the same from there on."""
    found = 0
    while True:
        ours, theirs = first.at(one + found, _CHUNK), second.at(other + found, _CHUNK)
        if ours != theirs:
            return found + first_difference(ours, theirs)
        if not ours:
            return found
        found += len(ours)


def _spot(name: str, left: Stream, right: Stream, lines: tuple[int, int], at: tuple[int, int]) -> Spot:
    """A difference at two offsets, in lines that begin at two others."""
    left.seek(0)
    head = left.read(512)
    windows = []
    for stream, start, offset in zip((left, right), lines, at, strict=True):
        begin = max(offset - 512, start)
        stream.seek(begin)
        windows.append(Window(stream.read(1024), offset - begin))
    return Spot(name, head, at[0], *windows)


def _text_values(spot: Spot) -> tuple[str, str]:
    """The line on each side, from a little before the difference on."""
    found = []
    for side in (spot.first, spot.second):
        if side.position >= len(side.data):
            found.append("nothing")
            continue
        start = max(side.data.rfind(b"\n", 0, side.position) + 1, side.position - _CONTEXT)
        end = side.data.find(b"\n", side.position)
        found.append(printable(side.data[start : end if end >= 0 else None].rstrip(b"\r"), LONGEST))
    return found[0], found[1]


def _values(spot: Spot) -> tuple[str, str]:
    """Text where both sides have some there, else bytes as hexadecimal digits."""
    texts = [_run(side.data, side.position) for side in (spot.first, spot.second)]
    if all(len(text) >= _SHORTEST for text in texts):
        return printable(texts[0], LONGEST), printable(texts[1], LONGEST)
    one, other = (side.data[side.position :][:_BYTES] for side in (spot.first, spot.second))
    unlike = [at for at, (x, y) in enumerate(zip(one, other, strict=False), 1) if x != y]
    end = _BYTES if len(one) != len(other) else -(-max(unlike, default=_BYTES) // 4) * 4
    return one[:end].hex(" ") or "nothing", other[:end].hex(" ") or "nothing"


def _run(data: bytes, position: int) -> bytes:
    """The printable bytes around a place."""
    start = position
    while start > max(position - _CONTEXT, 0) and data[start - 1] in _TEXT:
        start -= 1
    end = position
    while end < min(position + LONGEST, len(data)) and data[end] in _TEXT:
        end += 1
    return data[start:end] if end > position else b""
