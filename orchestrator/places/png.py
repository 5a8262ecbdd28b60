"""PNG images: chunks by name (PNG specification, section 5), with the metadata's own names."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from orchestrator.places.content import Content, Unreadable
from orchestrator.places.found import Field, Found, Pair
from orchestrator.places.members import Attributes, Format, Member, compared
from orchestrator.places.place import Aspect, Step

_NAMED: Final = (b"tEXt", b"zTXt", b"iTXt")
FORMAT: Final = Format("png", ())


def look(pair: Pair) -> Iterator[Found]:
    """Times, texts, and all other chunks."""
    first, second = (list(_chunks(pair, content)) for content in (pair.first, pair.second))
    times = [_time(members) for members in (first, second)]
    if times[0] != times[1]:
        yield Field("time", (times[0], times[1]), Aspect.TIME, Step("png", "tIME"))
    ours, theirs = ([each for each in members if each.name != b"tIME"] for members in (first, second))
    yield from compared(FORMAT, ours, theirs, Attributes(FORMAT, pair.budget.limits.spots))


def _chunks(pair: Pair, content: Content) -> Iterator[Member]:
    at = 8
    while at < content.size:
        pair.budget.member()
        head = content.at(at, 8)
        size = int.from_bytes(head[:4], "big")
        if len(head) < 8 or at + 12 + size > content.size:
            raise Unreadable(f"the chunk at its byte {at} is cut off")
        name = head[4:8]
        if name in _NAMED:  # 11.3.3: a keyword, a NUL, and the text
            name += b" " + content.at(at + 8, min(size, 80)).partition(b"\0")[0]
        yield Member(name, (), partial(content.part, at + 8, size))
        at += 12 + size


def _time(members: list[Member]) -> str:
    for member in members:
        if member.name == b"tIME" and member.content is not None:
            data = member.content().at(0, 7)
            if len(data) == 7:
                return "{:04}-{:02}-{:02} {:02}:{:02}:{:02}".format(
                    int.from_bytes(data[:2], "big"), *data[2:]
                )
    return "none"
