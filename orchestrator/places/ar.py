"""Archives of ar(1): static libraries with their tables, and Debian packages (deb(5))."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Final

from orchestrator.ground.values import dataclass, replace
from orchestrator.places.compressed import shown_time
from orchestrator.places.content import Content, Unreadable
from orchestrator.places.found import Found, Pair, Within
from orchestrator.places.members import Attributes, Format, Member, compared
from orchestrator.places.place import Aspect

_MAGIC: Final = 8
_HEADER: Final = 60
_NAMES: Final = 16 << 20  # bytes of the table of long names
_TABLES: Final = {b"/": b"symbol table", b"/SYM64/": b"symbol table", b"__.SYMDEF": b"symbol table"}
_PACKED: Final = re.compile(rb"(?<=\.tar)\.[a-z0-9]+$")
_LABELS: Final = (
    (Aspect.TIME, "time"),
    (Aspect.OWNER, "owner"),
    (Aspect.MODE, "mode"),
)


def look(pair: Pair) -> Iterator[Found]:
    """Any archive of ar(1)."""
    yield from _compared(pair, "ar")


def deb(pair: Pair) -> Iterator[Found]:
    """A Debian package."""
    yield from _compared(pair, "deb")


def _compared(pair: Pair, kind: str) -> Iterator[Found]:
    form = Format(kind, _LABELS)
    first, second = (list(_members(pair, content)) for content in (pair.first, pair.second))
    if kind == "deb":
        second = _renamed(first, second)
    last: list[Found] = []
    for found in compared(form, first, second, Attributes(form, pair.budget.limits.spots)):
        if isinstance(found, Within) and found.name in ("symbol table", "table of names"):
            # it holds the members' offsets and names, which differ where they do
            last.append(replace(found, where=found.name, mirrors=True, most=1))
        else:
            yield found
    yield from last


def _renamed(ours: list[Member], theirs: list[Member]) -> list[Member]:
    """Theirs by our names, where the endings alone say that they are compressed otherwise."""
    names = {_PACKED.sub(b"", each.name): each.name for each in ours}
    return [replace(each, name=names.get(_PACKED.sub(b"", each.name), each.name)) for each in theirs]


@dataclass(frozen=True, slots=True)
class _Header:
    name: bytes
    values: tuple[str, ...]
    size: int


def _members(pair: Pair, content: Content) -> Iterator[Member]:
    at, names = _MAGIC, b""
    while at < content.size:
        pair.budget.member()
        header = _header(content.at(at, _HEADER), at)
        start, size, name = at + _HEADER, header.size, header.name
        at = start + size + size % 2
        if name == b"//":
            names = content.part(start, min(size, _NAMES)).at(0, _NAMES)
            name = b"table of names"
        elif long := re.fullmatch(rb"#1/(\d{1,9})", name):  # BSD's: the name stands before the content
            length = min(int(long[1]), size)
            name = content.at(start, length).rstrip(b"\0")
            start, size = start + length, size - length
        elif (found := re.fullmatch(rb"/(\d{1,15})", name)) and names:
            name = names[int(found[1]) :].partition(b"\n")[0].removesuffix(b"/")
        elif name not in _TABLES:
            name = name.removesuffix(b"/")
        yield Member(_TABLES.get(name, name), header.values, partial(content.part, start, size))


def _header(data: bytes, at: int) -> _Header:
    """Raises Unreadable."""
    if len(data) < _HEADER or data[58:60] != b"`\n":
        raise Unreadable(f"its byte {at} begins no header")
    time, user, group, mode, size = (
        data[start:end].strip() for start, end in ((16, 28), (28, 34), (34, 40), (40, 48), (48, 58))
    )
    if not size.isdigit():
        raise Unreadable(f"the header at its byte {at} has no size")
    shown = shown_time(int(time)) if time.isdigit() else time.decode("latin-1")
    owner = f"{user.decode('latin-1')}:{group.decode('latin-1')}"
    return _Header(data[:16].rstrip(b" "), (shown, owner, mode.decode("latin-1")), int(size))
