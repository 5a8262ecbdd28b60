"""Squashfs images: the superblock's fields (kernel, `Documentation/filesystems/squashfs.rst`), then files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from orchestrator.ground.files import make_removable
from orchestrator.places import unsquashing
from orchestrator.places.budget import folder_for_large
from orchestrator.places.compressed import shown_time
from orchestrator.places.content import Unreadable
from orchestrator.places.found import Field, Found, Pair, Within
from orchestrator.places.members import Attributes, compared
from orchestrator.places.place import Aspect, Step

_FIELDS: Final = (
    ("number of inodes", 4, 4, False),
    ("block size", 12, 4, False),
    ("number of fragments", 16, 4, False),
    ("compression", 20, 2, False),
    ("flags", 24, 2, False),
    ("number of owners", 26, 2, False),
    ("bytes used", 40, 8, True),
)
_SUPERBLOCK: Final = 96


def look(pair: Pair) -> Iterator[Found]:
    """The time of its making, then the other fields, then all behind the superblock as bytes."""
    heads = pair.first.at(0, _SUPERBLOCK), pair.second.at(0, _SUPERBLOCK)
    if min(map(len, heads)) < _SUPERBLOCK:
        raise Unreadable("it ends within its superblock")
    step = Step("squashfs")
    times = [int.from_bytes(head[8:12], "little") for head in heads]
    if times[0] != times[1]:
        yield Field("superblock: time", (shown_time(times[0]), shown_time(times[1])), Aspect.TIME, step, 8)
    for name, at, size, mirrors in _FIELDS:
        one, other = (int.from_bytes(head[at : at + size], "little") for head in heads)
        if one != other:
            yield Field(f"superblock: {name}", (str(one), str(other)), step=step, offset=at, mirrors=mirrors)
    why = "unsquashfs is not installed"
    if (program := unsquashing.program()) is not None:
        try:
            yield from _contents(pair, program)
            return
        except Unreadable as error:
            why = str(error)
    rests = [content.part(_SUPERBLOCK, content.size - _SUPERBLOCK) for content in (pair.first, pair.second)]
    yield Within(step, rests[0], rests[1], where=f"behind the superblock ({why})", most=1)


def _contents(pair: Pair, program: str) -> Iterator[Found]:
    """Files by their paths. Raises Unreadable."""
    with TemporaryDirectory(dir=folder_for_large()) as folder:
        sides = []
        try:
            for name, content in (("a", pair.first), ("b", pair.second)):
                side = Path(folder, name)
                side.mkdir()
                sides.append(unsquashing.members(program, content, side, pair.budget))
            attributes = Attributes(unsquashing.FORMAT, pair.budget.limits.spots)
            yield from compared(unsquashing.FORMAT, sides[0], sides[1], attributes)
        finally:
            make_removable(Path(folder))
