"""What a container's reader finds: fields that differ, and contents to go on with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from orchestrator.agreement.cause import Cause, Spot, Window, cause_of
from orchestrator.agreement.contents import first_difference
from orchestrator.ground.values import dataclass
from orchestrator.places.budget import Budget
from orchestrator.places.content import Content
from orchestrator.places.place import LONGEST, Aspect, Step, printable

_BEFORE: Final = 40  # bytes before a difference that are shown
_OF_ASPECT: Final = {
    Aspect.TIME: Cause.TIMESTAMP,
    Aspect.OWNER: Cause.USER,
    Aspect.ORDER: Cause.ORDERING,
}


@dataclass(frozen=True, slots=True)
class Field:
    """A value that the format has a name for, and that differs."""

    where: str
    values: tuple[bytes | str, bytes | str]
    aspect: Aspect = Aspect.FIELD
    step: Step | None = None
    """The member that it is of; None: of the container itself."""
    offset: int | None = None
    mirrors: bool = False
    note: str = ""

    @property
    def spot(self) -> Spot:
        """The field as a line of text, which a cause is told from."""
        said = f"{self.where}: ".encode()
        one, other = (
            said + (value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape"))
            for value in self.values
        )
        at = first_difference(one, other)
        around = max(at - 512, 0), at + 512
        windows = [Window(each[around[0] : around[1]], at - around[0]) for each in (one, other)]
        return Spot("", b"", at, *windows)

    @property
    def shown(self) -> tuple[str, str]:
        """Both values, short: from a little before their difference on, where that lies far behind."""
        one, other = (
            value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")
            for value in self.values
        )
        at = first_difference(one, other)
        start = at - _BEFORE if max(len(one), len(other)) > LONGEST and at > _BEFORE else 0
        return _cut(one, start), _cut(other, start)

    @property
    def cause(self) -> Cause:
        """What it looks like."""
        return _OF_ASPECT.get(self.aspect) or cause_of(self.spot)


def _cut(value: bytes, start: int) -> str:
    return ("…" if start else "") + printable(value[start:], LONGEST - 1)


@dataclass(frozen=True, slots=True)
class Within:
    """A content of both sides that may differ, and is to be looked at like a file."""

    step: Step
    first: Content
    second: Content
    name: str = ""
    """A file's name that says what the content is, where its bytes do not."""
    where: str = ""
    """What it is, for a place that lies in nothing smaller."""
    locate: Callable[[int], str] | None = None
    """What stands at an offset of it, as a symbol."""
    most: int | None = None
    """Differences of it that are told; None: as many as of any content."""
    mirrors: bool = False


@dataclass(frozen=True, slots=True)
class Pair:
    """Two contents of one format, and what looking into them has to keep to."""

    name: str
    """The file's, without its folder."""
    first: Content
    second: Content
    offset: int
    """The first byte that differs."""
    budget: Budget


Found = Field | Within
Reader = Callable[[Pair], Iterator[Found]]
"""Yields what differs, or may, in the order of the containers. Raises Unreadable where it cannot be told."""
