"""Which files differ between two results of one derivation, and how; streamed, links never followed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO

from orchestrator.agreement.agreement import DifferingOutput
from orchestrator.agreement.cause import Cause, Spot, Window, cause_of
from orchestrator.agreement.compare import is_earlier
from orchestrator.agreement.order import same_parts
from orchestrator.ground.errors import TallyError

_CHUNK = 1 << 18
_AROUND = 512
"""Bytes on either side of a difference that its cause is told from: a tar header's length."""
_SPOTS = 64  # differences of one file that are looked at
_RUN = 4096  # bytes of one of them
_QUIET = 8  # equal bytes between two of them


class Kind(StrEnum):
    """What is not the same. A NAR knows nothing else of a file."""

    CONTENT = "content"
    MISSING = "missing"
    TYPE = "type"
    EXECUTABLE = "executable"
    TARGET = "target"


@dataclass(frozen=True, slots=True)
class Difference:
    """One file, folder or symbolic link that is not the same on two sides."""

    path: str
    """Relative to the output; `.` for the output itself. Bytes of a name that do not print are escaped."""
    kind: Kind
    between: tuple[str, str]
    """What the two sides are called: builder names."""
    sizes: tuple[int | None, int | None]
    """Bytes of a file on each side; None where there is no file."""
    offset: int | None
    """For content: the first byte that differs, counted from 0."""
    values: tuple[str, str]
    """What each side is: its type, its target, or whether it is executable; for content, nothing."""
    cause: Cause

    def describe(self, output: str = ".") -> str:
        """One line for a reader; `output` is what the output itself is called, as where it is one file."""
        one, other = self.between
        match self.kind:
            case Kind.CONTENT:
                sizes = f"{self.sizes[0]} bytes on {one}, {self.sizes[1]} on {other}"
                text = f"differs from offset {self.offset} on ({sizes})"
            case Kind.MISSING | Kind.TYPE | Kind.EXECUTABLE | Kind.TARGET:
                text = f"{_WORDS[self.kind]}{self.values[0]} on {one}, {self.values[1]} on {other}"
        hint = "" if self.cause is Cause.UNKNOWN else f"; looks like {self.cause}"
        return f"{output if self.path == '.' else self.path}: {text}{hint}"

    def document(self) -> Mapping[str, Any]:
        """The same as JSON has it."""
        return {
            "path": self.path,
            "kind": str(self.kind),
            "between": list(self.between),
            "sizes": list(self.sizes),
            "offset": self.offset,
            "values": list(self.values) if any(self.values) else None,
            "cause": self.cause.name.lower().replace("_", "-"),
        }


_ABSENT = "nothing"
_WORDS = {Kind.MISSING: "", Kind.TYPE: "", Kind.EXECUTABLE: "", Kind.TARGET: "points to "}


@dataclass(frozen=True, slots=True)
class Side:
    """One result: what it is called, and the file, folder or symbolic link that it is."""

    name: str
    path: Path


def differences(first: Side, second: Side) -> Iterator[Difference]:
    """What differs between two results, in the order of their paths; nothing when all is the same.

    What only one side has is named once, not file by file. Constant memory, whatever the files' sizes.
    Raises TallyError when a side is not there or cannot be read.
    """
    between = first.name, second.name
    pending = [(b".", os.fsencode(first.path), os.fsencode(second.path))]
    try:
        while pending:
            path, one, other = pending.pop()
            nodes = _Node.of(one), _Node.of(other)
            yield from _compared(_shown(path), nodes, between)
            if nodes[0].type == nodes[1].type == _FOLDER:
                names = sorted({*os.listdir(one), *os.listdir(other)}, reverse=True)
                at = b"" if path == b"." else path + b"/"
                pending += [(at + name, one + b"/" + name, other + b"/" + name) for name in names]
    except OSError as error:
        raise TallyError(
            f"cannot compare {first.path} with {second.path}: {error.strerror}: {error.filename!s}"
        ) from error


def pair_of(output: DifferingOutput) -> tuple[str, str]:
    """The names of two sides of a differing output whose hashes differ, or the first two if none do.

    Two builders rather than one builder and its own earlier result.
    """
    names = sorted(output.hashes, key=lambda name: (is_earlier(name), name))
    other = next((name for name in names if output.hashes[name] != output.hashes[names[0]]), names[1])
    return names[0], other


_FILE, _FOLDER, _LINK, _OTHER = "a file", "a folder", "a symbolic link", "something else"


@dataclass(frozen=True, slots=True)
class _Node:
    path: bytes
    type: str
    size: int | None
    executable: bool

    @classmethod
    def of(cls, path: bytes) -> _Node:
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            return cls(path, _ABSENT, None, False)
        if stat.S_ISREG(status.st_mode):
            return cls(path, _FILE, status.st_size, bool(status.st_mode & stat.S_IXUSR))
        kind = _FOLDER if stat.S_ISDIR(status.st_mode) else _LINK if stat.S_ISLNK(status.st_mode) else _OTHER
        return cls(path, kind, None, False)


def _compared(path: str, nodes: tuple[_Node, _Node], between: tuple[str, str]) -> Iterator[Difference]:
    """How one path differs; what lies in a folder is not looked at."""
    one, other = nodes
    sizes = one.size, other.size

    def found(
        kind: Kind, values: tuple[str, str], offset: int | None = None, cause: Cause = Cause.UNKNOWN
    ) -> Difference:
        return Difference(path, kind, between, sizes, offset, values, cause)

    if one.type == other.type == _ABSENT:
        raise FileNotFoundError(2, "neither side has it", os.fsdecode(one.path))
    if one.type != other.type:
        yield found(Kind.MISSING if _ABSENT in (one.type, other.type) else Kind.TYPE, (one.type, other.type))
    elif one.type == _LINK:
        targets = os.readlink(one.path), os.readlink(other.path)
        if targets[0] != targets[1]:
            offset = _first_difference(*targets)
            spot = Spot("", b"", offset, Window(targets[0], offset), Window(targets[1], offset))
            yield found(Kind.TARGET, (_shown(targets[0]), _shown(targets[1])), cause=cause_of(spot))
    elif one.type == _FILE:
        if one.executable != other.executable:
            yield found(Kind.EXECUTABLE, (_executable(one), _executable(other)))
        with _opened(one.path) as left, _opened(other.path) as right:
            offset_or_none = _where(left, right)
            if offset_or_none is not None:
                cause = _cause(path, left, right, offset_or_none, same_size=one.size == other.size)
                yield found(Kind.CONTENT, ("", ""), offset_or_none, cause)


def _where(left: BinaryIO, right: BinaryIO) -> int | None:
    """The first byte that differs; the shorter one's length when the longer one begins with it."""
    start = 0
    while True:
        one, other = left.read(_CHUNK), right.read(_CHUNK)
        if one != other:
            return start + _first_difference(one, other)
        if not one:
            return None
        start += len(one)


def _first_difference(one: bytes, other: bytes) -> int:
    low, high = 0, min(len(one), len(other))
    if one[:high] == other[:high]:
        return high
    while high - low > 1:  # the first difference is in low..high
        middle = (low + high) // 2
        if one[low:middle] != other[low:middle]:
            high = middle
        else:
            low = middle
    return low


def _cause(path: str, left: BinaryIO, right: BinaryIO, offset: int, *, same_size: bool) -> Cause:
    """What the first difference looks like; a later one, where that tells more than a value without sense.

    A file that holds a digest of itself, as a program its build id, shows that first.
    """
    name = path.rpartition("/")[2]
    left.seek(0)
    head = left.read(_AROUND)
    windows = _windows(left, right, offset)
    if same_size and not any(b"\0" in window.data for window in windows) and same_parts(left, right):
        return Cause.ORDERING
    first = cause_of(Spot(name, head, offset, *windows))
    if first not in (Cause.UNKNOWN, Cause.IDENTIFIER) or not same_size:
        return first
    for later in _later(left, right, offset):
        found = cause_of(Spot(name, head, later, *_windows(left, right, later)))
        if found not in (Cause.UNKNOWN, Cause.IDENTIFIER):
            return found
    return first


def _windows(left: BinaryIO, right: BinaryIO, offset: int) -> tuple[Window, Window]:
    start = max(offset - _AROUND, 0)
    found = []
    for stream in (left, right):
        stream.seek(start)
        found.append(Window(stream.read(offset - start + _AROUND), offset - start))
    return found[0], found[1]


def _later(left: BinaryIO, right: BinaryIO, offset: int) -> Iterator[int]:
    """Where two files of one size differ after their first difference, each with equal bytes before it."""
    for _ in range(_SPOTS):
        left.seek(offset)
        right.seek(offset)
        one, other = left.read(_RUN), right.read(_RUN)
        offset += _end_of_run(one, other)
        left.seek(offset)
        right.seek(offset)
        further = _where(left, right)
        if further is None:
            return
        offset += further
        yield offset


def _end_of_run(one: bytes, other: bytes) -> int:
    """After how many bytes the sides are equal for a while."""
    equal = 0
    for place, (left, right) in enumerate(zip(one, other, strict=False), 1):
        equal = equal + 1 if left == right else 0
        if equal == _QUIET:
            return place
    return len(one)


def _opened(path: bytes) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")


def _executable(node: _Node) -> str:
    return "executable" if node.executable else "not executable"


def _shown(path: bytes) -> str:
    text = path.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
