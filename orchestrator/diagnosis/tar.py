"""Tar archives: walked side by side as long as their members are the same, by name from there on.

What stands before the first difference is skipped, and equal stretches are compared as bytes, so that a large
archive costs little more than reading it.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from orchestrator.agreement.contents import where
from orchestrator.diagnosis.budget import Budget
from orchestrator.diagnosis.compressed import shown_time
from orchestrator.diagnosis.content import Content, Stream, Unreadable
from orchestrator.diagnosis.found import Found, Pair, Within
from orchestrator.diagnosis.image import MARKS, Layout
from orchestrator.diagnosis.image import compared as compared_images
from orchestrator.diagnosis.members import Attributes, Format, Member, both, compared
from orchestrator.diagnosis.place import Aspect, Step
from orchestrator.ground.values import dataclass, replace

_BLOCK: Final = 512
_HEADER: Final = 1 << 20  # bytes of an extended header: a long name, and others' attributes
_ERRORS: Final = (
    tarfile.TarError,
    ValueError,
    OverflowError,
    EOFError,
    ArithmeticError,
    IndexError,
    KeyError,
)
_AHEAD: Final = frozenset(b"xgLK")
"""Types of headers that the next header belongs to."""
_PAX: Final = frozenset(b"xgX")
_EMPTY: Final = frozenset(b"123456")
"""Types that hold nothing, whatever size their header has."""
_SPARSE: Final = ord("S")
_FIRST: Final = re.compile(rb"(\./)?(blobs/|oci-layout|index\.json|manifest\.json|[0-9a-f]{64})")
FORMAT: Final = Format(
    "tar",
    (
        (Aspect.TYPE, "type"),
        (Aspect.TARGET, "target"),
        (Aspect.MODE, "mode"),
        (Aspect.OWNER, "owner"),
        (Aspect.TIME, "time"),
        (Aspect.FIELD, "extended header"),
        (Aspect.FIELD, "header format"),
    ),
)


@dataclass(frozen=True, slots=True)
class _Entry:
    member: Member
    end: int
    """Where the next header begins."""


class _Archive:
    """One side, read member by member from any header on."""

    def __init__(self, content: Content, budget: Budget) -> None:
        self._content, self._budget = content, budget
        self._stream = Stream(content, _HEADER)
        try:
            self._tar = tarfile.TarFile(fileobj=self._stream, mode="r", errors="surrogateescape")  # type: ignore[arg-type]  # it reads and seeks
        except _ERRORS as error:
            raise Unreadable(f"it is no tar archive: {error}") from error

    def at(self, offset: int) -> _Entry | None:
        """The member whose headers begin there; None: the archive ends."""
        self._budget.member()
        try:
            self._tar.firstmember = None  # type: ignore[attr-defined]  # typeshed lacks it
            self._tar.members = []  # type: ignore[attr-defined]  # it keeps what it read
            if offset >= self._content.size:
                return None
            self._tar.offset = self._stream.seek(offset)
            info = self._tar.next()
        except _ERRORS as error:
            raise Unreadable(
                f"what stands at its byte {offset} is no header of a tar archive: {error}"
            ) from error
        if info is None:
            return None
        if self._tar.offset <= offset:
            raise Unreadable(f"its header at byte {offset} leads back")
        return _Entry(self._member(info), self._tar.offset)

    def rest(self, offset: int) -> list[Member]:
        """All members from there on."""
        found = []
        while (entry := self.at(offset)) is not None:
            found.append(entry.member)
            offset = entry.end
        return found

    def _member(self, info: tarfile.TarInfo) -> Member:
        magic = self._content.at(info.offset_data - _BLOCK + 257, 8)
        pax = {k: v for k, v in sorted(info.pax_headers.items()) if k not in _PAX_KNOWN}
        values = (
            _TYPES.get(info.type, f"type {info.type!r}"),
            info.linkname,
            f"{info.mode & 0o7777:04o}",
            f"{info.uid}:{info.gid} {info.uname}:{info.gname}",
            shown_time(info.mtime),
            " ".join(f"{key}={value}" for key, value in pax.items()),
            {b"ustar\x0000": "POSIX", b"ustar  \0": "GNU"}.get(magic, "old"),
        )
        name = info.name.encode("utf-8", "surrogateescape")
        if not info.isreg():
            return Member(name, values, None)
        return Member(name, values, self._opener(info), place=info.offset_data + info.size)

    def _opener(self, info: tarfile.TarInfo) -> Callable[[], Content]:
        start, size = info.offset_data, info.size
        if info.issparse():
            size = self._tar.offset - start  # as it is packed: holes are not made

        def opened() -> Content:
            return self._content.part(start, size)

        return opened


_PAX_KNOWN: Final = frozenset({"path", "linkpath", "mtime", "uid", "gid", "uname", "gname", "size"})
_TYPES: Final = {
    tarfile.REGTYPE: "a file",
    tarfile.AREGTYPE: "a file",
    tarfile.DIRTYPE: "a folder",
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
}


def look(pair: Pair) -> Iterator[Found]:
    """POSIX pax, "ustar Interchange Format", and GNU's."""
    first, second = (_Archive(content, pair.budget) for content in (pair.first, pair.second))
    if _may_be_image(pair.first) and _may_be_image(pair.second):
        whole = first.rest(0), second.rest(0)
        if all(any(_path(each) in MARKS for each in members) for members in whole):
            yield from _image(pair, *whole)
            return
    attributes = Attributes(FORMAT, pair.budget.limits.spots)
    ours = theirs = _boundary(pair.first, 0, pair.offset)
    while True:
        one, other = first.at(ours), second.at(theirs)
        if one is None or other is None or one.member.name != other.member.name:
            break
        yield from both(FORMAT, one.member, other.member, attributes)
        ours, theirs = one.end, other.end
        left, right = Stream(_tail(pair.first, ours)), Stream(_tail(pair.second, theirs))
        further = where(left, right, pair.budget.tick)
        if further is None:
            yield from attributes.rest()
            return
        begin = _boundary(pair.first, ours, ours + further)
        ours, theirs = begin, theirs + begin - ours
    if one is None and other is None:
        yield from attributes.rest()
        tails = _tail(pair.first, ours), _tail(pair.second, theirs)
        yield Within(Step("tar"), *tails, where="behind the last member")
        return
    yield from compared(FORMAT, first.rest(ours), second.rest(theirs), attributes)


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
        places = one[left].place, other[right].place
        return left == right and places[0] == places[1] and places[0] is not None and places[0] <= pair.offset

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


def _boundary(content: Content, start: int, offset: int) -> int:
    """Where the headers of the member begin that holds the byte at `offset`, from a header at `start` on."""
    ahead = start
    while True:
        header = content.at(start, _BLOCK)
        size = _size(content, start, header)
        if size is None:
            return ahead
        end = start + _BLOCK + -(-size // _BLOCK) * _BLOCK
        if end > offset or end >= content.size:
            return ahead
        start = end
        if header[156] not in _AHEAD:
            ahead = end


def _size(content: Content, start: int, header: bytes) -> int | None:
    """What a plain header says that its member holds; None: it is none, or one that takes more to read."""
    if len(header) < _BLOCK or header[257:262] != b"ustar" or header[156] == _SPARSE:
        return None
    if header[156] in _EMPTY:
        return 0
    try:
        size = int(header[124:136].strip(b" \0") or b"0", 8)
    except ValueError:
        return None
    if header[156] in _PAX and (size > _HEADER or b"size=" in content.at(start + _BLOCK, size)):
        return None  # it says another size for the next one
    return size
