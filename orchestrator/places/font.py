"""Fonts: OpenType and TrueType by table, the head's times by name (OpenType 1.9, "head")."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import partial
from typing import Final

from orchestrator.places.compressed import shown_time
from orchestrator.places.content import Content, Held, Unreadable
from orchestrator.places.found import Field, Found, Pair
from orchestrator.places.members import Attributes, Format, Member, compared
from orchestrator.places.place import Aspect, Step

_EPOCH: Final = 2_082_844_800  # seconds from 1904 to 1970
_TABLES: Final = 4096
FORMAT: Final = Format("font", ())


def look(pair: Pair) -> Iterator[Found]:
    """Times of the head, then all other tables."""
    first, second = (list(_tables(pair, content)) for content in (pair.first, pair.second))
    heads = [
        next((each.content().at(0, 54) for each in tables if each.name == b"head" and each.content), b"")
        for tables in (first, second)
    ]
    for name, at, size in (("created", 20, 8), ("modified", 28, 8), ("checksum", 8, 4)):
        one, other = (int.from_bytes(head[at : at + size], "big") for head in heads)
        if one == other:
            continue
        if size == 8:
            shown = shown_time(one - _EPOCH), shown_time(other - _EPOCH)
            yield Field(f"{name}", shown, Aspect.TIME, Step("font", "head"), at)
        else:
            yield Field(
                name, (f"{one:#x}", f"{other:#x}"), step=Step("font", "head"), offset=at, mirrors=True
            )
    ours, theirs = ([_without_times(each) for each in tables] for tables in (first, second))
    yield from compared(FORMAT, ours, theirs, Attributes(FORMAT, pair.budget.limits.spots))


def _without_times(table: Member) -> Member:
    if table.name != b"head" or table.content is None:
        return table
    data = table.content().at(0, 1 << 16)
    return Member(table.name, (), lambda: Held(data[:8] + bytes(4) + data[12:20] + bytes(16) + data[36:]))


def _tables(pair: Pair, content: Content) -> Iterator[Member]:
    head = content.at(0, 44)
    packed = head[:4] == b"wOFF"
    count = int.from_bytes(head[12:14] if packed else head[4:6], "big")
    start, size = (44, 20) if packed else (12, 16)
    if count > _TABLES or len(head) < 12:
        raise Unreadable("it has no table of tables")
    for number in range(count):
        pair.budget.member()
        entry = content.at(start + number * size, size)
        if len(entry) < size:
            raise Unreadable("it ends in its middle")
        words = [int.from_bytes(entry[at : at + 4], "big") for at in range(4, size, 4)]
        if packed:
            at, length, whole = words[0], words[1], words[2]
            yield Member(entry[:4], (), partial(_opened, pair, content, at, length, whole))
        else:
            yield Member(entry[:4], (), partial(content.part, words[1], words[2]))


def _opened(pair: Pair, content: Content, at: int, length: int, whole: int) -> Content:
    """WOFF 1.0, section 5: compressed where that is shorter."""
    part = content.part(at, length)
    if length == whole:
        return part
    data = pair.budget.whole(part)
    try:
        piece = zlib.decompressobj().decompress(data, min(whole, pair.budget.limits.memory // 4))
    except zlib.error as error:
        raise Unreadable("it is not compressed as it says") from error
    return Held(piece)
