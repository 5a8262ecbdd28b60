"""Python's compiled files (PEP 552): the header's time or hash, and what the code object holds, by name.

The marshalled code is read by rules of our own: `marshal` itself must not be given a stranger's bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from orchestrator.places.compressed import shown_time
from orchestrator.places.content import Content, Unreadable
from orchestrator.places.found import Field, Found, Pair
from orchestrator.places.place import Aspect, Step

_LARGEST: Final = 16 << 20
_DEEPEST: Final = 200
_MOST: Final = 200  # differences
_3_8, _3_11, _3_14 = 3413, 3495, 3600
"""Magic numbers that the versions' layouts begin with (importlib's `_bootstrap_external.py`)."""
_OLD: Final = (
    *("argcount", "posonlyargcount", "kwonlyargcount", "nlocals", "stacksize", "flags"),
    *("code", "consts", "names", "varnames", "freevars", "cellvars", "filename", "name"),
    *("firstlineno", "lnotab"),
)
_NEW: Final = (
    *("argcount", "posonlyargcount", "kwonlyargcount", "stacksize", "flags"),
    *("code", "consts", "names", "localsplusnames", "localspluskinds", "filename", "name", "qualname"),
    *("firstlineno", "linetable", "exceptiontable"),
)
_NUMBERS: Final = frozenset(
    {"argcount", "posonlyargcount", "kwonlyargcount", "nlocals", "stacksize", "flags", "firstlineno"}
)
_REF: Final = 0x80


@dataclass(frozen=True, slots=True)
class _Node:
    """One object: its type's letter, its value, and where it stands."""

    kind: str
    value: Any
    offset: int


def look(pair: Pair) -> Iterator[Found]:
    """The header, and then the code."""
    heads = pair.first.at(0, 16), pair.second.at(0, 16)
    if min(map(len, heads)) < 16:
        raise Unreadable("it ends within its header")
    step = Step("pyc")
    magics = [int.from_bytes(head[:2], "little") for head in heads]
    if magics[0] != magics[1]:
        yield Field("magic number", (str(magics[0]), str(magics[1])), step=step)
        return
    yield from _header(heads, step)
    if magics[0] < _3_8:
        raise Unreadable("it is of a Python before 3.8")
    if magics[0] >= _3_14 + 100:
        raise Unreadable("it is of a newer Python than is known here")
    one, other = (_Reader(pair, content, magics[0]).whole() for content in (pair.first, pair.second))
    told = 0
    for found in _unlike(one, other, "module", set()):
        yield found
        told += 1
        if told == _MOST:
            return
    if not told and pair.first.size == pair.second.size and pair.offset >= 16:
        yield Field(
            "which objects are marked as used again",
            (pair.first.at(pair.offset, 1).hex(), pair.second.at(pair.offset, 1).hex()),
            Aspect.PACKING,
            step,
            pair.offset,
        )


def _header(heads: tuple[bytes, bytes], step: Step) -> Iterator[Found]:
    flags = [int.from_bytes(head[4:8], "little") for head in heads]
    if flags[0] != flags[1]:
        values = (_NAMES.get(flags[0], str(flags[0])), _NAMES.get(flags[1], str(flags[1])))
        yield Field("header: how it is checked", values, step=step, offset=4)
    elif flags[0]:
        if heads[0][8:] != heads[1][8:]:
            yield Field(
                "header: hash of the source", (heads[0][8:].hex(), heads[1][8:].hex()), step=step, offset=8
            )
    else:
        times, sizes = zip(*(struct.unpack("<II", head[8:]) for head in heads), strict=True)
        if times[0] != times[1]:
            shown = shown_time(times[0]), shown_time(times[1])
            yield Field("header: time of the source", shown, Aspect.TIME, step, 8)
        if sizes[0] != sizes[1]:
            yield Field("header: size of the source", (str(sizes[0]), str(sizes[1])), step=step, offset=12)


_NAMES: Final = {0: "by time", 1: "by hash, unchecked", 3: "by hash, checked"}


class _Reader:
    """One side's objects (CPython's `Python/marshal.c`)."""

    def __init__(self, pair: Pair, content: Content, magic: int) -> None:
        self._data = pair.budget.whole(content, _LARGEST)
        self._budget, self._at, self._fields = pair.budget, 16, _NEW if magic >= _3_11 else _OLD
        self._refs: list[_Node] = []

    def whole(self) -> _Node:
        try:
            return self._object(0)
        except (LookupError, struct.error, ValueError) as error:
            raise Unreadable("its code is damaged") from error

    def _object(self, depth: int) -> _Node:
        if depth > _DEEPEST:
            raise Unreadable("its code is nested too deeply")
        self._budget.tick()
        start = self._at
        byte = self._take(1)[0]
        kind = chr(byte & ~_REF)
        if kind == "r":
            return self._refs[self._number()]
        index = len(self._refs) if byte & _REF else None
        if index is not None:
            self._refs.append(_Node("?", None, start))  # its place is taken before what is in it
        node = _Node(kind, self._value(kind, depth), start)
        if index is not None:
            self._refs[index] = node
        return node

    def _value(self, kind: str, depth: int) -> Any:
        match kind:
            case "(" | "[" | "<" | ">":
                return [self._object(depth + 1) for _ in range(self._count())]
            case ")":
                return [self._object(depth + 1) for _ in range(self._take(1)[0])]
            case "{":
                return list(self._pairs(depth))
            case ":":  # a slice
                return [self._object(depth + 1) for _ in range(3)]
            case "c":
                return {
                    field: self._number() if field in _NUMBERS else self._object(depth + 1)
                    for field in self._fields
                }
            case _:
                return self._plain(kind)

    def _plain(self, kind: str) -> Any:
        """What holds no other objects."""
        match kind:
            case "i":
                return self._signed()
            case "l":
                digits = self._signed()
                shorts = struct.unpack(f"<{abs(digits)}H", self._take(2 * abs(digits)))
                number = sum(digit << 15 * place for place, digit in enumerate(shorts[:64]))
                return number if digits >= 0 else -number
            case "g":
                return struct.unpack("<d", self._take(8))[0]
            case "y":
                return struct.unpack("<2d", self._take(16))
            case "s" | "t" | "u" | "a" | "A":
                return self._take(self._number())
            case "z" | "Z":
                return self._take(self._take(1)[0])
            case _:
                return _PLAIN[kind]

    def _pairs(self, depth: int) -> Iterator[_Node]:
        while (key := self._object(depth + 1)).kind != "0":
            yield key
            yield self._object(depth + 1)

    def _take(self, size: int) -> bytes:
        if size < 0 or self._at + size > len(self._data):
            raise ValueError
        self._at += size
        return self._data[self._at - size : self._at]

    def _number(self) -> int:
        return int.from_bytes(self._take(4), "little")

    def _signed(self) -> int:
        return int.from_bytes(self._take(4), "little", signed=True)

    def _count(self) -> int:
        count = self._number()
        if count > len(self._data):
            raise ValueError
        return count


_PLAIN: Final = {"0": None, "N": "None", "T": "True", "F": "False", "S": "StopIteration", ".": "..."}
_TEXTS: Final = frozenset("stuaAzZ")
_MANY: Final = frozenset("([<>){:")


def _unlike(one: _Node, other: _Node, where: str, seen: set[tuple[int, int]]) -> Iterator[Field]:
    """What differs between two objects, each by the way there; what is used several times is told once."""
    if (id(one), id(other)) in seen:
        return
    seen.add((id(one), id(other)))
    kinds = _TEXT if one.kind in _TEXTS else one.kind, _TEXT if other.kind in _TEXTS else other.kind
    if kinds[0] == kinds[1] == "c":
        yield from _unlike_code(one, other, where, seen)
    elif one.kind in _MANY and other.kind in _MANY and "c" not in kinds:
        yield from _unlike_items(one, other, where, seen)
    elif kinds[0] != kinds[1] or repr(one.value) != repr(other.value):
        yield Field(where, (_shown(one), _shown(other)), step=Step("pyc"), offset=one.offset)


_TEXT: Final = "text"
_SHOWN: Final = 3  # objects within each other


def _unlike_code(one: _Node, other: _Node, where: str, seen: set[tuple[int, int]]) -> Iterator[Field]:
    for field, value in one.value.items():
        theirs = other.value[field]
        inner = f"{where}, {field}"
        if not isinstance(value, _Node):
            if value != theirs:
                yield Field(inner, (str(value), str(theirs)), step=Step("pyc"), offset=one.offset)
        elif field == "consts" and value.kind in _MANY and theirs.kind in _MANY:
            yield from _unlike_items(value, theirs, where, seen, "constant")
        else:
            yield from _unlike(value, theirs, inner, seen)


def _unlike_items(
    one: _Node, other: _Node, where: str, seen: set[tuple[int, int]], what: str = "item"
) -> Iterator[Field]:
    ours, theirs = one.value, other.value
    if one.kind == other.kind and one.kind in "<>" and len(ours) == len(theirs):
        shown = [_shown(each) for each in ours], [_shown(each) for each in theirs]
        if shown[0] != shown[1] and sorted(shown[0]) == sorted(shown[1]):
            values = " ".join(shown[0]), " ".join(shown[1])
            yield Field(f"{where}, order of a set", values, Aspect.ORDER, Step("pyc"), one.offset)
            return
    if len(ours) != len(theirs):
        values = str(len(ours)), str(len(theirs))
        yield Field(f"{where}, number of {what}s", values, step=Step("pyc"), offset=one.offset)
    for number, (left, right) in enumerate(zip(ours, theirs, strict=False)):
        name = f"{where}, {what} {number}"
        if left.kind == right.kind == "c":
            name = f"{where}.{_shown(left.value['name'])}"
        yield from _unlike(left, right, name, seen)


def _shown(node: _Node, depth: int = 0) -> str:
    if node.kind == "c":
        return f"code of {_shown(node.value['name'], depth + 1)}" if depth < _SHOWN else "code"
    if isinstance(node.value, list):
        some = [_shown(each, depth + 1) for each in node.value[:8]] if depth < _SHOWN else ["..."]
        return f"({', '.join(some)})"
    return (
        node.value.decode("utf-8", "backslashreplace") if isinstance(node.value, bytes) else str(node.value)
    )
