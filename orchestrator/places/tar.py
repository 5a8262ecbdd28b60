"""Tar archives: walked side by side as long as their members are the same, by name where they are not.

What stands before the first difference is skipped, and equal stretches are compared as bytes, so that a large
archive costs little more than reading it.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from functools import partial
from typing import Final

from orchestrator.agreement.contents import where
from orchestrator.ground.values import replace
from orchestrator.places.content import Content, Stream
from orchestrator.places.found import Field, Found, Pair, Within
from orchestrator.places.image import MARKS, Layout
from orchestrator.places.image import compared as compared_images
from orchestrator.places.members import ORDER, Attributes, Member, both, compared
from orchestrator.places.place import Aspect, Step
from orchestrator.places.tarfiles import FORMAT, Archive, boundary

_FIRST: Final = re.compile(rb"(\./)?(blobs/|oci-layout|index\.json|manifest\.json|[0-9a-f]{64})")
_FAR: Final = 64
"""Members that are looked at for the same name again."""


def look(pair: Pair) -> Iterator[Found]:
    """POSIX pax, "ustar Interchange Format", and GNU's."""
    first, second = (Archive(content, pair.budget) for content in (pair.first, pair.second))
    if _may_be_image(pair.first) and _may_be_image(pair.second):
        whole = first.rest(0), second.rest(0)
        if all(any(_path(each) in MARKS for each in members) for members in whole):
            yield from _image(pair, *whole)
            return
    attributes = Attributes(FORMAT, pair.budget.limits.spots)
    start = boundary(pair.first, 0, pair.offset)
    one, other = _Ahead(first, start), _Ahead(second, start)
    aside: tuple[list[Member], list[Member]] = [], []
    while one.head is not None and other.head is not None:
        if one.head.name == other.head.name:
            yield from both(FORMAT, one.take(), other.take(), attributes)
            if _skipped(pair, one, other):
                break
            continue
        for side, ahead, count in zip(aside, (one, other), _meeting(one, other), strict=True):
            side.extend(ahead.put_aside() for _ in range(count))
    for side, ahead in zip(aside, (one, other), strict=True):
        side.extend(ahead.all_aside())
    if moved := next((each.name for each in aside[0] if each.name in other.behind), None):
        yield Field(ORDER, (one.place_of(moved), other.place_of(moved)), Aspect.ORDER, Step("tar"))
    if any(aside):
        yield from compared(FORMAT, aside[0], aside[1], attributes, ordered=False)
    else:
        yield from attributes.rest()
        tails = _tail(pair.first, one.at), _tail(pair.second, other.at)
        yield Within(Step("tar"), *tails, where="behind the last member")


class _Ahead:
    """One side's members from a header on, some of which can be looked at before they are taken."""

    def __init__(self, archive: Archive, start: int) -> None:
        self._archive, self.at = archive, start
        """Where the header behind those that were looked at begins."""
        self.waiting: deque[Member] = deque()
        self.behind: dict[bytes, bytes] = {}
        """Of those that were put aside, by name: what stands before."""
        self._last = b""

    @property
    def head(self) -> Member | None:
        return next(iter(self.see(1)), None)

    def see(self, count: int) -> deque[Member]:
        """The next ones: so many, or all that are left."""
        while len(self.waiting) < count and (entry := self._archive.at(self.at)) is not None:
            self.waiting.append(entry.member)
            self.at = entry.end
        return self.waiting

    def take(self) -> Member:
        self._last = self.waiting[0].name
        return self.waiting.popleft()

    def put_aside(self) -> Member:
        """Take one that has no partner yet."""
        self.behind.setdefault(self.waiting[0].name, self._last)
        return self.take()

    def all_aside(self) -> Iterator[Member]:
        while self.head is not None:
            yield self.put_aside()

    def place_of(self, name: bytes) -> bytes:
        """Where one that was put aside stands, in words."""
        return name + (b" behind " + self.behind[name] if self.behind[name] else b" first")


def _skipped(pair: Pair, one: _Ahead, other: _Ahead) -> bool:
    """Whether all that follows is the same; up to where it is not, it is gone past."""
    if one.waiting or other.waiting:
        return False
    left, right = Stream(_tail(pair.first, one.at)), Stream(_tail(pair.second, other.at))
    further = where(left, right, pair.budget.tick)
    if further is None:
        one.at, other.at = pair.first.size, pair.second.size
        return True
    begin = boundary(pair.first, one.at, one.at + further)
    one.at, other.at = begin, other.at + begin - one.at
    return False


def _meeting(one: _Ahead, other: _Ahead) -> tuple[int, int]:
    """After how many members of each side the same name comes; all that were looked at where none does."""
    ours, theirs = one.see(_FAR), other.see(_FAR)
    places: dict[bytes, int] = {}
    for index, member in enumerate(theirs):
        places.setdefault(member.name, index)
    met = [
        (index + places[each.name], index, places[each.name])
        for index, each in enumerate(ours)
        if each.name in places
    ]
    return min(met)[1:] if met else (len(ours), len(theirs))


def _may_be_image(content: Content) -> bool:
    """By the first name: those of an image are few, and come in any order."""
    return _FIRST.match(content.at(0, 100)) is not None


def _path(member: Member) -> str:
    return member.name.decode("utf-8", "surrogateescape").removeprefix("./")


def _image(pair: Pair, ours: list[Member], theirs: list[Member]) -> Iterator[Found]:
    """The archive as an image, and then what the archive itself says of files that both have."""
    one, other = ({_path(each): each for each in members} for members in (ours, theirs))

    def is_known(left: str, right: str) -> bool:
        """Whether a file stands before the first difference, at the same place of both archives."""
        if left != right or left not in one or left not in other:  # an index may name what is not there
            return False
        places = one[left].place, other[left].place
        return places[0] == places[1] and places[0] is not None and places[0] <= pair.offset

    layouts = Layout(partial(_opened, one)), Layout(partial(_opened, other))
    yield from compared_images(layouts[0], layouts[1], is_known, pair.budget)
    attributes = Attributes(FORMAT, pair.budget.limits.spots)
    both_have = one.keys() & other.keys()
    bare = [
        [replace(each, content=None) for each in members if _path(each) in both_have]
        for members in (ours, theirs)
    ]
    yield from compared(FORMAT, bare[0], bare[1], attributes)


def _opened(members: dict[str, Member], name: str) -> Content | None:
    member = members.get(name)
    return None if member is None or member.content is None else member.content()


def _tail(content: Content, start: int) -> Content:
    start = min(start, content.size)
    return content.part(start, content.size - start)
