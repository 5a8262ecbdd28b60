"""PDF documents by object, streams inflated; dates and the identifier by name (ISO 32000-1, 14.3)."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from functools import partial
from typing import Final

from orchestrator.places.budget import Budget
from orchestrator.places.content import Content, Held
from orchestrator.places.found import Field, Found, Pair
from orchestrator.places.members import Attributes, Format, Member, compared
from orchestrator.places.place import Aspect, Step

_LARGEST: Final = 64 << 20
_PIECE: Final = 1 << 20
_OBJECT: Final = re.compile(rb"(?<!\d)(\d{1,10} \d{1,5} obj)\b(.*?)endobj", re.DOTALL)
_STREAM: Final = re.compile(rb"stream\r?\n(.*?)\r?\n?endstream", re.DOTALL)
_INFO: Final = tuple(
    (name, re.compile(rb"/" + name + rb"\s*(\((?:[^()\\]|\\.){0,500}\)|<[0-9A-Fa-f\s]{0,1000}>)"))
    for name in (b"CreationDate", b"ModDate", b"Producer", b"Creator", b"Title", b"Author")
)
_ID: Final = re.compile(
    rb"/ID\s*\[\s*(<[0-9A-Fa-f\s]{0,200}>\s*<[0-9A-Fa-f\s]{0,200}>|\(.{0,200}?\)\s*\(.{0,200}?\))"
)
FORMAT: Final = Format("pdf", ())


def look(pair: Pair) -> Iterator[Found]:
    """The document's information, then its objects, then what is outside of them."""
    texts = [pair.budget.whole(content, _LARGEST) for content in (pair.first, pair.second)]
    for name, pattern in _INFO:
        values = [[match[1] for match in pattern.finditer(text)] for text in texts]
        if values[0] != values[1]:
            shown = b" ".join(values[0]) or b"none", b" ".join(values[1]) or b"none"
            aspect = Aspect.TIME if name.endswith(b"Date") else Aspect.FIELD
            yield Field(name.decode(), shown, aspect, Step("pdf"))
    identifiers = [[match[1] for match in _ID.finditer(text)] for text in texts]
    if identifiers[0] != identifiers[1]:
        yield Field("ID", (b" ".join(identifiers[0]), b" ".join(identifiers[1])), step=Step("pdf"))
    first, second = (list(_objects(pair.budget, text)) for text in texts)
    yield from compared(FORMAT, first, second, Attributes(FORMAT, pair.budget.limits.spots))


def _objects(budget: Budget, text: bytes) -> Iterator[Member]:
    for match in _OBJECT.finditer(text):
        budget.member()
        body = match[2]
        for _, pattern in _INFO:  # told by their names already
            body = pattern.sub(b"", body)
        yield Member(match[1], (), partial(_unpacked, budget, _ID.sub(b"", body)))


def _unpacked(budget: Budget, body: bytes) -> Content:
    """An object, its stream inflated where it is deflated alone."""
    stream = _STREAM.search(body)
    if stream is None or b"/FlateDecode" not in body[: stream.start()]:
        return Held(body)
    return budget.keep(_pieces(body, stream), len(body))


def _pieces(body: bytes, stream: re.Match[bytes]) -> Iterator[bytes]:
    inflating = zlib.decompressobj()
    yield re.sub(rb"/Length\s+\d+", b"", body[: stream.start()])
    left = stream[1]
    try:
        while left and not inflating.eof:
            yield inflating.decompress(left, _PIECE)
            left = inflating.unconsumed_tail
    except zlib.error:
        yield stream[1]
    yield body[stream.end() :]
