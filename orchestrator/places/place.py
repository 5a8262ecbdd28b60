"""The innermost thing that differs between two results: where it is, and what each side has there. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from orchestrator.agreement.cause import Cause, Spot
from orchestrator.ground.values import dataclass

LONGEST: Final = 120
"""Characters of a value that are shown."""
PATH: Final = 4096
"""Characters of a name that are shown."""


class Aspect(StrEnum):
    """What of a thing is not the same."""

    CONTENT = "content"
    MISSING = "missing"
    TYPE = "type"
    EXECUTABLE = "executable"
    TARGET = "target"
    ORDER = "order"
    TIME = "time"
    MODE = "mode"
    OWNER = "owner"
    FIELD = "field"
    """A value that the format has a name for; `where` says which."""
    PACKING = "packing"
    """The same parts, put together or compressed in another way."""


@dataclass(frozen=True, slots=True)
class Step:
    """One container on the way in."""

    kind: str
    """Its format: `gzip`, `tar`, `zip`, `ar`, `elf`, …"""
    name: str = ""
    """The member's name, printable; empty where the container holds one thing without a name."""

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}" if self.name else self.kind


@dataclass(frozen=True, slots=True)
class Place:
    """One thing that is not the same on two sides, and lies in nothing smaller that could be looked into."""

    file: str
    """Relative to the output, as `Difference.path`; `.` for the output itself."""
    inside: tuple[Step, ...]
    """The containers on the way in, the outermost first."""
    aspect: Aspect
    offset: int | None
    """In the innermost content: the first byte that differs, counted from 0. None: it is no content."""
    where: str
    """Section, symbol, line or field, in words; may be empty."""
    between: tuple[str, str]
    """What the two sides are called."""
    values: tuple[str, str]
    """What each side has there: short, printable, escaped."""
    spot: Spot | None = None
    """What a cause is told from; for a field, the line that says its name and value."""
    cause: Cause = Cause.UNKNOWN
    """What it looks like: a hint, which decides nothing."""
    note: str = ""
    """Why it was not looked into further, where it was not: a sentence without its end."""
    mirrors: bool = False
    """Whether it only follows from something else that differs, as a build id or a checksum does."""

    def document(self) -> Mapping[str, Any]:
        """The same as JSON has it."""
        more = {"note": self.note} if self.note else {}
        return {
            "file": self.file,
            "inside": [{"kind": step.kind, "name": step.name} for step in self.inside],
            "aspect": str(self.aspect),
            "offset": self.offset,
            "where": self.where,
            "between": list(self.between),
            "values": list(self.values),
            "cause": self.cause.name.lower().replace("_", "-"),
            "mirrors": self.mirrors,
            **more,
        }


def printable(data: bytes | str, longest: int = LONGEST) -> str:
    """A value as one line of plain text, cut where it is long. What does not print is escaped."""
    text = data.decode("utf-8", "backslashreplace") if isinstance(data, bytes) else data
    shown = "".join(
        c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode()
        for c in text[: longest + 1]
    )
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"
