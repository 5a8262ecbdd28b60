"""How alike a file that a registry serves and the one made of its source are. Values only.

Three words, never one for the other: identical (every byte), same contents (every byte of every file inside,
in another container), different.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Aspect(StrEnum):
    """What of a container can differ while every file in it has the same contents."""

    TIME = "time"
    MODE = "mode"
    ORDER = "order"
    COMPRESSION = "compression"
    WRITER = "writer"
    """Which program, version or system the container says that it was made by and for."""
    LAYOUT = "layout"
    """How the container's headers tell what is in it: flags, extra fields, comments."""


@dataclass(frozen=True, slots=True)
class Remark:
    """One difference between two containers."""

    aspect: Aspect
    entry: str | None
    """The name of the file inside; None: of the container itself."""
    made: str
    served: str

    def describe(self) -> str:
        """One line for a reader."""
        what = "the archive" if self.entry is None else self.entry
        return f"{what}: {self.aspect} {self.made} in what was made, {self.served} in what is served"

    def document(self) -> Mapping[str, Any]:
        return {
            "aspect": str(self.aspect),
            **({} if self.entry is None else {"entry": self.entry}),
            "made": self.made,
            "served": self.served,
        }


@dataclass(frozen=True, slots=True)
class Identical:
    """Every byte of the file is the same."""


@dataclass(frozen=True, slots=True)
class SameContents:
    """The same files with the same contents; the container differs, by `remarks` and nothing else."""

    remarks: tuple[Remark, ...]
    with_times: tuple[str, ...] = ()
    """Entries whose times alone are not the published ones: given these, the whole file is identical.

    Empty where that is not so.
    """


@dataclass(frozen=True, slots=True)
class FileDifference:
    """One file inside that is not the same, or that only one side has."""

    name: str
    made: str
    """What it is in what was made, in words: its size and digest, `nothing`."""
    served: str
    note: str | None = None
    """What is known of the difference."""

    def describe(self) -> str:
        note = "" if self.note is None else f"; {self.note}"
        return f"{self.name}: {self.made} in what was made, {self.served} in what is served{note}"

    def document(self) -> Mapping[str, Any]:
        return {
            "name": self.name,
            "made": self.made,
            "served": self.served,
            **({} if self.note is None else {"note": self.note}),
        }


class Class(StrEnum):
    """What is known of all differences together."""

    BUILD_ID = "build id and debug data alone"


@dataclass(frozen=True, slots=True)
class Different:
    """At least one file inside differs, or one of the two is no container that could be read."""

    files: tuple[FileDifference, ...]
    remarks: tuple[Remark, ...] = ()
    """How the containers differ beside."""
    kind: Class | None = None


Grade = Identical | SameContents | Different
