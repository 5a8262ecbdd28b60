"""ELF files: sections by name, and the symbol at an offset. What only mirrors the rest comes last."""

from __future__ import annotations

import bisect
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

from orchestrator.agreement.contents import where
from orchestrator.ground.plainly import why
from orchestrator.ground.values import dataclass
from orchestrator.places.content import Content, Stream, Unreadable
from orchestrator.places.found import Field, Found, Pair, Within
from orchestrator.places.place import Aspect, Step, printable

_LONGEST: Final = 64 << 20  # bytes that are read at once: a table of symbols, or of names
_MOST: Final = 20_000  # sections
_SYMBOLS: Final = 1_000_000
_SPOTS: Final = 3  # differences of one section: where a value has another length, all that follows moves
_NOBITS, _COMPRESSED = "SHT_NOBITS", 0x800
_PIECE: Final = 1 << 20
_SAYS: Final = (".rodata", ".data", ".comment", ".debug_str", ".debug_line_str", ".note", ".go.buildinfo")
"""How the sections' names begin that hold what a program says: they are looked at first."""
_MIRRORS: Final = (".note.gnu.build-id", ".note.go.buildid", ".gnu_debuglink", ".gnu.build.attributes")
"""Digests of the rest."""
_FOLLOWS: Final = (
    *(".symtab", ".strtab", ".shstrtab", ".dynsym", ".dynstr", ".hash", ".gnu.hash", ".rela", ".rel"),
    *(".eh_frame", ".gcc_except_table", ".got", ".plt", ".dynamic", ".relr", ".debug_"),
)
"""Tables of addresses and names, which move with what is elsewhere."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Section:
    name: str
    type: str
    offset: int
    size: int
    address: int
    flags: int


class _File:
    """One side."""

    def __init__(self, pair: Pair, content: Content) -> None:
        from elftools.elf.elffile import ELFFile

        self._pair, self.whole = pair, content
        self._file = _safely(lambda: ELFFile(Stream(content, _LONGEST)))  # type: ignore[arg-type]  # it reads and seeks
        self.is_64: bool = self._file.elfclass == 64
        self._little: bool = self._file.little_endian
        self.header: dict[str, Any] = dict(self._file.header)
        self.sections = _safely(lambda: list(self._sections()))
        self._symbols: tuple[list[int], list[tuple[int, str]]] | None = None

    def _sections(self) -> Iterator[_Section]:
        for number, section in enumerate(self._file.iter_sections()):
            if number > _MOST:
                raise Unreadable(f"it has more than {_MOST} sections")
            if number % 256 == 0:
                self._pair.budget.tick()
            head = section.header
            yield _Section(
                section.name,
                str(head["sh_type"]),
                head["sh_offset"],
                head["sh_size"],
                head["sh_addr"],
                head["sh_flags"],
            )

    def content(self, section: _Section) -> Content:
        """What a section holds, decompressed. Raises Unreadable."""
        whole = self.whole.part(section.offset, section.size)
        if not section.flags & _COMPRESSED:
            return whole
        kind = int.from_bytes(whole.at(0, 4), "little" if self._little else "big")
        data = whole.part(24 if self.is_64 else 12, whole.size - (24 if self.is_64 else 12))
        if kind != 1:  # ELFCOMPRESS_ZLIB
            return whole
        return self._pair.budget.keep(_inflated(data), data.size)

    def symbol(self, section: _Section, offset: int) -> str:
        """What stands at an offset of a section, by the symbols; empty where they do not say."""
        if not section.address:
            return ""
        if self._symbols is None:
            try:
                self._symbols = _safely(self._read_symbols)
            except Unreadable:
                self._symbols = [], []
        starts, named = self._symbols
        index = bisect.bisect_right(starts, section.address + offset) - 1
        if index < 0:
            return ""
        size, name = named[index]
        return f"symbol {printable(name)}" if section.address + offset < starts[index] + size else ""

    def _read_symbols(self) -> tuple[list[int], list[tuple[int, str]]]:
        found: list[tuple[int, int, str]] = []
        for name in (".symtab", ".dynsym"):
            section: Any = self._file.get_section_by_name(name)
            if section is None or not hasattr(section, "iter_symbols") or section.num_symbols() > _SYMBOLS:
                continue
            for symbol in section.iter_symbols():
                if symbol["st_size"] and symbol.name:
                    found.append((symbol["st_value"], symbol["st_size"], symbol.name))  # noqa: PERF401
            if found:
                break
        found.sort()
        return [each[0] for each in found], [each[1:] for each in found]


def look(pair: Pair) -> Iterator[Found]:
    """System V's gABI, chapters 4 and 5."""
    first, second = _File(pair, pair.first), _File(pair, pair.second)
    for name in ("e_type", "e_machine", "e_entry", "e_flags"):
        if first.header.get(name) != second.header.get(name):
            values = str(first.header.get(name)), str(second.header.get(name))
            yield Field(f"header: {name}", values, step=Step("elf"), mirrors=name == "e_entry")
    ours, theirs = _keyed(first.sections), _keyed(second.sections)
    for key in [*ours, *(key for key in theirs if key not in ours)]:
        if key not in ours or key not in theirs:
            values = ("a section", "nothing") if key in ours else ("nothing", "a section")
            yield Field("", values, Aspect.MISSING, Step("elf", printable(key[0])))
    common = [key for key in ours if key in theirs]
    pairs = zip(common, (key for key in theirs if key in ours), strict=True)
    if moved := next(((one, other) for one, other in pairs if one != other), None):
        yield Field("order of sections", (moved[0][0], moved[1][0]), Aspect.ORDER, Step("elf"))
    for key in sorted(common, key=lambda key: _rank(key[0])):
        yield from _section(pair, (first, ours[key]), (second, theirs[key]))


def _section(pair: Pair, one: tuple[_File, _Section], other: tuple[_File, _Section]) -> Iterator[Found]:
    (first, ours), (second, theirs) = one, other
    step = Step("elf", printable(ours.name))
    if ours.type != theirs.type:
        yield Field("type", (ours.type, theirs.type), step=step)
        return
    if ours.type == _NOBITS:
        if ours.size != theirs.size:
            yield Field("size", (str(ours.size), str(theirs.size)), step=step, mirrors=True)
        return
    try:
        raw = first.whole.part(ours.offset, ours.size), second.whole.part(theirs.offset, theirs.size)
        if where(Stream(raw[0]), Stream(raw[1]), pair.budget.tick) is None:
            return
        contents = first.content(ours), second.content(theirs)
    except (Unreadable, ValueError) as error:
        yield Field("content", ("unreadable", "unreadable"), Aspect.CONTENT, step, note=str(error))
        return
    mirrors = ours.name.startswith(_MIRRORS)
    yield Within(
        step,
        *contents,
        locate=lambda offset: first.symbol(ours, offset),
        most=1 if mirrors or _rank(ours.name) == _LATER else _SPOTS,
        mirrors=mirrors,
    )


_FIRST, _NEXT, _LATER, _LAST = range(4)


def _rank(name: str) -> int:
    if name.startswith(_MIRRORS):
        return _LAST
    if name.startswith(_SAYS):
        return _FIRST
    return _LATER if name.startswith(_FOLLOWS) else _NEXT


def _keyed(sections: Sequence[_Section]) -> dict[tuple[str, int], _Section]:
    times: Counter[str] = Counter()
    found = {}
    for section in sections:
        found[section.name, times[section.name]] = section
        times[section.name] += 1
    return found


def _inflated(content: Content) -> Iterator[bytes]:
    stream, at = zlib.decompressobj(), 0
    try:
        while not stream.eof and (chunk := content.at(at, 1 << 16)):
            at += len(chunk)
            while chunk:
                yield stream.decompress(chunk, _PIECE)
                chunk = stream.unconsumed_tail
    except zlib.error as error:
        raise ValueError("it is not compressed as it says") from error


def _safely(work: Callable[[], T]) -> T:
    """pyelftools raises whatever its parsing ends in."""
    from elftools.common.exceptions import DWARFError, ELFError

    try:
        return work()
    except (ELFError, DWARFError, struct.error, ValueError, LookupError, TypeError, AttributeError) as error:
        raise Unreadable(why(error)) from error
    except (OverflowError, RecursionError, AssertionError, UnicodeError) as error:
        raise Unreadable("it is damaged") from error
