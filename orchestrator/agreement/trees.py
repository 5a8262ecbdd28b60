"""The walk over two results side by side: what differs in their trees. Streamed, links never followed."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from enum import StrEnum
from io import BufferedReader
from pathlib import Path

from orchestrator.agreement.contents import where
from orchestrator.ground.errors import TallyError
from orchestrator.ground.plainly import why
from orchestrator.ground.values import dataclass

ABSENT, FILE, FOLDER, LINK, OTHER = "nothing", "a file", "a folder", "a symbolic link", "something else"


class Kind(StrEnum):
    """What is not the same. A NAR knows nothing else of a file."""

    CONTENT = "content"
    MISSING = "missing"
    TYPE = "type"
    EXECUTABLE = "executable"
    TARGET = "target"


@dataclass(frozen=True, slots=True)
class Side:
    """One result: what it is called, and the file, folder or symbolic link that it is."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class Node:
    """One file, folder or symbolic link, or none."""

    path: bytes
    type: str
    size: int | None
    executable: bool

    @classmethod
    def of(cls, path: bytes) -> Node:
        """What is there. Raises OSError where it cannot be told."""
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            return cls(path, ABSENT, None, False)
        if stat.S_ISREG(status.st_mode):
            return cls(path, FILE, status.st_size, bool(status.st_mode & stat.S_IXUSR))
        kind = FOLDER if stat.S_ISDIR(status.st_mode) else LINK if stat.S_ISLNK(status.st_mode) else OTHER
        return cls(path, kind, None, False)

    def open(self) -> BufferedReader:
        """The file's content, to be closed. Raises OSError, also where it has become a link."""
        return os.fdopen(os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")


@dataclass(frozen=True, slots=True)
class Unlike:
    """One path that is not the same on two sides."""

    path: bytes
    """Relative to the results; `.` for the results themselves."""
    kind: Kind
    nodes: tuple[Node, Node]
    offset: int | None = None
    """For content: the first byte that differs."""

    @property
    def values(self) -> tuple[bytes, bytes]:
        """What each side is: its type, its target, or whether it is executable; for content, nothing."""
        return self._value(self.nodes[0]), self._value(self.nodes[1])

    def _value(self, node: Node) -> bytes:
        match self.kind:
            case Kind.CONTENT:
                return b""
            case Kind.MISSING | Kind.TYPE:
                return node.type.encode()
            case Kind.EXECUTABLE:
                return b"executable" if node.executable else b"not executable"
            case Kind.TARGET:
                return os.readlink(node.path)


def walk(
    first: Side,
    second: Side,
    every: Callable[[], object] = lambda: None,
    without: frozenset[bytes] = frozenset(),
) -> Iterator[Unlike]:
    """What differs between two results, in the order of their paths; nothing when all is the same.

    What only one side has is named once, not file by file. Constant memory, whatever the files' sizes.
    `every` is called again and again, and stops the walk by what it raises. Names in `without`, directly in
    the results, are passed over.
    Raises TallyError when a side is not there, and at the end when something cannot be read, or is what no
    NAR holds, as a pipe: the rest is told of before.
    """
    pending = [(b".", os.fsencode(first.path), os.fsencode(second.path))]
    failed: list[OSError] = []
    while pending:
        every()
        path, one, other = pending.pop()
        try:
            nodes = Node.of(one), Node.of(other)
            yield from _compared(path, nodes, every)
            if nodes[0].type == nodes[1].type == FOLDER:
                names = sorted({*os.listdir(one), *os.listdir(other)} - without, reverse=True)
                without = frozenset()
                at = b"" if path == b"." else path + b"/"
                pending += [(at + name, one + b"/" + name, other + b"/" + name) for name in names]
        except OSError as error:
            failed = [*failed[:1], error]
    if failed:
        place = os.fsdecode(failed[0].filename or first.path)
        more = ", and others" if len(failed) > 1 else ""
        raise TallyError(
            f"cannot compare {first.path} with {second.path}: {why(failed[0])}: {place}{more}"
        ) from failed[0]


def _compared(path: bytes, nodes: tuple[Node, Node], every: Callable[[], object]) -> Iterator[Unlike]:
    """How one path differs; what lies in a folder is not looked at."""
    one, other = nodes
    if one.type == other.type == ABSENT:
        raise FileNotFoundError(2, "neither side has it", os.fsdecode(one.path))
    if one.type != other.type:
        yield Unlike(path, Kind.MISSING if ABSENT in (one.type, other.type) else Kind.TYPE, nodes)
    elif one.type == LINK:
        if os.readlink(one.path) != os.readlink(other.path):
            yield Unlike(path, Kind.TARGET, nodes)
    elif one.type == FILE:
        if one.executable != other.executable:
            yield Unlike(path, Kind.EXECUTABLE, nodes)
        with one.open() as left, other.open() as right:
            offset = where(left, right, every)
        if offset is not None:
            yield Unlike(path, Kind.CONTENT, nodes, offset)
    elif one.type == OTHER:
        raise OSError(errno.EINVAL, "it is no file, folder or symbolic link", one.path)
