"""Gettext's catalogues, `.po` and `.mo`: the header's fields by name, then the messages."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Final

from orchestrator.places.content import Content, Held, Unreadable
from orchestrator.places.found import Field, Found, Pair, Within
from orchestrator.places.members import Attributes, Format, Member, compared
from orchestrator.places.place import Aspect, Step

_LARGEST: Final = 32 << 20
_MOST: Final = 1_000_000
_FIELD: Final = re.compile(rb'^"([A-Za-z-]+):[ \t]*(.*?)(?:\\n)?"[ \t]*$', re.MULTILINE)
_HEADER: Final = 1 << 16
MO: Final = Format("mo", ())


def po(pair: Pair) -> Iterator[Found]:
    """The header's fields; the rest as text, by line."""
    heads, rests = [], []
    for content in (pair.first, pair.second):
        text = pair.budget.whole(content, _LARGEST)
        end = text.find(b"\n\n", 0, _HEADER)  # the header is the first entry
        head = text[: max(end, 0)]
        heads.append({match[1]: match[2] for match in _FIELD.finditer(head)})
        rests.append(text if end < 0 else _FIELD.sub(b"", head) + text[len(head) :])
    yield from _fields(heads[0], heads[1], Step("po"))
    yield Within(Step("po"), Held(rests[0]), Held(rests[1]), where="without the header's fields")


def mo(pair: Pair) -> Iterator[Found]:
    """GNU gettext's manual, "The Format of GNU MO Files"."""
    first, second = (_messages(pair, content) for content in (pair.first, pair.second))
    heads = [
        {
            name.strip(): value.strip()
            for name, _, value in (line.partition(b":") for line in messages.get(b"", b"").split(b"\n"))
            if name.strip()
        }
        for messages in (first, second)
    ]
    yield from _fields(heads[0], heads[1], Step("mo"))
    ours, theirs = (
        [
            Member(_name(key), (), lambda value=value: Held(value))  # type: ignore[misc]
            for key, value in messages.items()
            if key
        ]
        for messages in (first, second)
    )
    yield from compared(MO, ours, theirs, Attributes(MO, pair.budget.limits.spots))


def _fields(one: dict[bytes, bytes], other: dict[bytes, bytes], step: Step) -> Iterator[Field]:
    for name in [*one, *(name for name in other if name not in one)]:
        values = one.get(name, b"none"), other.get(name, b"none")
        if values[0] != values[1]:
            aspect = Aspect.TIME if name.endswith(b"-Date") else Aspect.FIELD
            yield Field(f"header: {name.decode('latin-1')}", values, aspect, step)


def _name(key: bytes) -> bytes:
    return key.replace(b"\x04", b" | ").partition(b"\0")[0][:200]


def _messages(pair: Pair, content: Content) -> dict[bytes, bytes]:
    data = pair.budget.whole(content, _LARGEST)
    order = "<" if data[:4] == b"\xde\x12\x04\x95" else ">"
    try:
        _, _, count, ours, theirs = struct.unpack_from(f"{order}5I", data)
        if count > _MOST:
            raise Unreadable(f"it says that it has {count} messages")
        found = {}
        for number in range(count):
            pair.budget.member()
            size, at = struct.unpack_from(f"{order}2I", data, ours + 8 * number)
            length, place = struct.unpack_from(f"{order}2I", data, theirs + 8 * number)
            if at + size > len(data) or place + length > len(data):
                raise Unreadable("it points behind its end")
            found[data[at : at + size]] = data[place : place + length]
    except struct.error as error:
        raise Unreadable("it ends in its middle") from error
    return found
