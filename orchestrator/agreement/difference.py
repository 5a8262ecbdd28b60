"""Which files differ between two results of one derivation, and how; streamed, links never followed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.agreement.agreement import DifferingOutput
from orchestrator.agreement.cause import Cause, Spot, Window, cause_of
from orchestrator.agreement.contents import first_difference, told
from orchestrator.agreement.culprits import is_earlier
from orchestrator.agreement.trees import Kind, Side, Unlike, walk
from orchestrator.ground.errors import TallyError
from orchestrator.ground.plainly import why


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


_WORDS = {Kind.MISSING: "", Kind.TYPE: "", Kind.EXECUTABLE: "", Kind.TARGET: "points to "}


def differences(first: Side, second: Side) -> Iterator[Difference]:
    """What differs between two results, in the order of their paths; nothing when all is the same.

    What only one side has is named once, not file by file. Constant memory, whatever the files' sizes.
    Raises TallyError when a side is not there or cannot be read.
    """
    for unlike in walk(first, second):
        sizes = unlike.nodes[0].size, unlike.nodes[1].size
        try:
            values = _shown(unlike.values[0]), _shown(unlike.values[1])
            cause = _cause(unlike)
        except OSError as error:
            raise TallyError(f"cannot read {_shown(unlike.path)} again: {why(error)}") from error
        yield Difference(
            _shown(unlike.path), unlike.kind, (first.name, second.name), sizes, unlike.offset, values, cause
        )


def _cause(unlike: Unlike) -> Cause:
    if unlike.kind is Kind.TARGET:
        one, other = unlike.values
        offset = first_difference(one, other)
        return cause_of(Spot("", b"", offset, Window(one, offset), Window(other, offset)))
    if unlike.offset is None:
        return Cause.UNKNOWN
    one_node, other_node = unlike.nodes
    with one_node.open() as left, other_node.open() as right:
        name = _shown(unlike.path).rpartition("/")[2]
        return told(name, left, right, unlike.offset, same_size=one_node.size == other_node.size)


def pair_of(output: DifferingOutput) -> tuple[str, str]:
    """The names of two sides of a differing output whose hashes differ, or the first two if none do.

    Two builders rather than one builder and its own earlier result.
    """
    names = sorted(output.hashes, key=lambda name: (is_earlier(name), name))
    other = next((name for name in names if output.hashes[name] != output.hashes[names[0]]), names[1])
    return names[0], other


def pairs_of(output: DifferingOutput) -> tuple[tuple[str, str], ...]:
    """The first side with each of the others that has bytes of its own, so that none is left out.

    At least one pair: that of `pair_of`.
    """
    first, second = pair_of(output)
    found = {output.hashes[second]: (first, second)}
    for name in sorted(output.hashes, key=lambda name: (is_earlier(name), name)):
        if output.hashes[name] != output.hashes[first]:
            found.setdefault(output.hashes[name], (first, name))
    return tuple(found.values())


def _shown(path: bytes) -> str:
    text = path.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
