"""One tar archive, read member by member from any header on, without a list of all of them."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from functools import partial
from typing import Final

from orchestrator.ground.values import dataclass
from orchestrator.places.budget import Budget
from orchestrator.places.compressed import shown_time
from orchestrator.places.content import Content, Stream, Unreadable
from orchestrator.places.members import Format, Member
from orchestrator.places.place import Aspect

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
class Entry:
    """One member, and where it ends."""

    member: Member
    end: int
    """Where the next header begins."""


class Archive:
    """One side, read member by member from any header on."""

    def __init__(self, content: Content, budget: Budget) -> None:
        self._content, self._budget = content, budget
        self._stream = Stream(content, _HEADER)
        self._values: dict[tuple[str, ...], tuple[str, ...]] = {}
        try:
            self._tar = tarfile.TarFile(fileobj=self._stream, mode="r", errors="surrogateescape")  # type: ignore[arg-type]  # it reads and seeks
        except _ERRORS as error:
            raise Unreadable(f"it is no tar archive: {error}") from error

    def at(self, offset: int) -> Entry | None:
        """The member whose headers begin there; None: the archive ends."""
        self._budget.member()
        if (quick := self._quick(offset)) is not None:
            return quick
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
        return Entry(self._member(info), self._tar.offset)

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
        values = self._shared(
            _TYPES.get(info.type, f"type {info.type!r}"),
            info.linkname,
            info.mode,
            f"{info.uid}:{info.gid} {info.uname}:{info.gname}",
            info.mtime,
            " ".join(f"{key}={value}" for key, value in pax.items()),
            _FORMS.get(magic, "old"),
        )
        name = info.name.encode("utf-8", "surrogateescape")
        if not info.isreg():
            return Member(name, values, None)
        return Member(name, values, self._opener(info), place=info.offset_data + info.size)

    def _quick(self, offset: int) -> Entry | None:
        """A plain member: a tenth of what `tarfile` takes. None: it takes more to read."""
        header = self._content.at(offset, _BLOCK)
        plain = len(header) == _BLOCK and header[257:262] == b"ustar" and header[156] in _PLAIN
        if not plain or self._tar.pax_headers or (header[345] and header[262]):
            return None  # GNU keeps other things where POSIX has the name's beginning
        try:
            mode, user, group, size, time, total = (
                int(header[start:end].strip(b" \0") or b"0", 8) for start, end in _NUMBERS
            )
        except ValueError:
            return None
        if sum(header) - sum(header[148:156]) + 8 * 32 != total:
            return None
        texts = [header[start:end].partition(b"\0")[0] for start, end in _TEXTS]
        name, link = (texts[4] + b"/" + texts[0] if texts[4] else texts[0]), _text(texts[1])
        kind = header[156:157]
        if kind == b"5":
            name = name.rstrip(b"/")
        elif kind in _FILES and name.endswith(b"/"):
            return None  # a folder of before there were types
        owner = f"{user}:{group} {_text(texts[2])}:{_text(texts[3])}"
        values = self._shared(_TYPES[kind], link, mode, owner, time, "", _FORMS.get(header[257:265], "old"))
        start = offset + _BLOCK
        if kind not in _FILES:
            return Entry(Member(name, values, None), start)
        return Entry(
            Member(name, values, partial(self._content.part, start, size), place=start + size),
            start + -(-size // _BLOCK) * _BLOCK,
        )

    def _shared(
        self, kind: str, link: str, mode: int, owner: str, time: float, pax: str, form: str
    ) -> tuple[str, ...]:
        """A member's attributes; those that are the same for many are kept once."""
        values = (kind, link, f"{mode & 0o7777:04o}", owner, shown_time(time), pax, form)
        if len(self._values) > _SHARED:
            self._values.clear()
        return self._values.setdefault(values, values)

    def _opener(self, info: tarfile.TarInfo) -> Callable[[], Content]:
        size = self._tar.offset - info.offset_data if info.issparse() else info.size
        return partial(self._content.part, info.offset_data, size)  # a sparse one as it is packed


_FORMS: Final = {b"ustar\x0000": "POSIX", b"ustar  \0": "GNU"}
_PLAIN: Final = frozenset(b"0\x00125")
"""Types of members that have one header and nothing unusual."""
_FILES: Final = (b"0", b"\0")
_TEXTS: Final = ((0, 100), (157, 257), (265, 297), (297, 329), (345, 500))
_NUMBERS: Final = ((100, 108), (108, 116), (116, 124), (124, 136), (136, 148), (148, 156))
_SHARED: Final = 10_000
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


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def boundary(content: Content, start: int, offset: int) -> int:
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
