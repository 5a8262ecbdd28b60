"""Two containers' members side by side, by name: which are missing, attributes, order, contents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from orchestrator.agreement.contents import where
from orchestrator.ground.values import dataclass, replace
from orchestrator.ground.wording import counted
from orchestrator.places.content import Content, Stream, Unreadable
from orchestrator.places.found import Field, Found, Within
from orchestrator.places.place import PATH, Aspect, Step, printable

_DIGESTS: Final = (b"./md5sums", b".dist-info/RECORD")
"""Lists of the other members' digests: a Debian package's, a wheel's."""
ORDER: Final = "order of members"


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a container."""

    name: bytes
    values: tuple[bytes | str, ...]
    """Its attributes, in the order of the container's labels."""
    content: Callable[[], Content] | None
    """Opens what it holds; None: it holds nothing. Raises Unreadable."""
    packed: Callable[[], Content] | None = None
    """Opens the same as it is compressed: where that is the same, nothing is unpacked."""
    place: int | None = None
    """Where what it holds ends in the container, if it stands there as it is."""


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of container."""

    kind: str
    labels: tuple[tuple[Aspect, str], ...]
    """What each of a member's attributes is."""


class Attributes:
    """The attributes that differ: told of some members each, and counted for the rest."""

    def __init__(self, format: Format, most: int) -> None:  # noqa: A002
        self._format, self._most = format, most
        self._seen: Counter[str] = Counter()
        self._last: dict[str, Field] = {}

    def of(self, one: Member, other: Member) -> Iterator[Field]:
        for (aspect, label), value, theirs in zip(self._format.labels, one.values, other.values, strict=True):
            if value == theirs:
                continue
            self._seen[label] += 1
            found = Field(label, (value, theirs), aspect, Step(self._format.kind, printable(one.name, PATH)))
            if self._seen[label] <= self._most:
                yield found
            else:
                self._last[label] = found

    def missing(self, name: bytes, values: tuple[str, str]) -> Iterator[Field]:
        self._seen[_MISSING] += 1
        found = Field("", values, Aspect.MISSING, Step(self._format.kind, printable(name, PATH)))
        if self._seen[_MISSING] <= self._most:
            yield found
        else:
            self._last[_MISSING] = found

    def rest(self) -> Iterator[Field]:
        """One field for all of those that were not told, by the last of them."""
        for label, last in self._last.items():
            more = counted(self._seen[label] - self._most, "more member")
            where = f"only on one side, as {more}" if label == _MISSING else f"{label}, as of {more}"
            yield Field(where, last.values, last.aspect, last.step)


_MISSING: Final = "\0missing"


def compared(
    format: Format,  # noqa: A002
    first: Sequence[Member],
    second: Sequence[Member],
    attributes: Attributes,
    *,
    ordered: bool = True,
) -> Iterator[Found]:
    """What differs, in the first one's order. A name that is there several times is paired by its number.

    Where each has all in one folder, and the folders have two names, that is told once. Their order does not
    count where it is not `ordered`.
    """
    tops = _top(first), _top(second)
    if tops[0] and tops[1] and tops[0] != tops[1]:
        yield Field("name of the folder that all is in", (tops[0], tops[1]), step=Step(format.kind))
        first, second = _below(first, len(tops[0])), _below(second, len(tops[1]))
    ours, theirs = _keyed(first), _keyed(second)
    common = [key for key in ours if key in theirs]
    swapped = next(
        (
            (key, other)
            for key, other in zip(common, (k for k in theirs if k in ours), strict=True)
            if key != other
        ),
        None,
    )
    if swapped is not None and ordered:
        yield Field(ORDER, (swapped[0][0], swapped[1][0]), Aspect.ORDER, Step(format.kind))
    for key, member in ours.items():
        if (other := theirs.get(key)) is None:
            yield from attributes.missing(member.name, ("a member", "nothing"))
        else:
            yield from both(format, member, other, attributes)
    for key, member in theirs.items():
        if key not in ours:
            yield from attributes.missing(member.name, ("nothing", "a member"))
    yield from attributes.rest()


def both(format: Format, one: Member, other: Member, attributes: Attributes) -> Iterator[Found]:  # noqa: A002
    """What differs between two members of one name."""
    yield from attributes.of(one, other)
    if one.content is None or other.content is None or _packed_alike(one, other):
        return
    step = Step(format.kind, printable(one.name, PATH))
    first, second = _opened(one.content), _opened(other.content)
    if isinstance(first, str) or isinstance(second, str):  # what the others hold is told all the same
        yield unreadable("content", first, second, step)
        return
    yield Within(step, first, second, step.name, mirrors=one.name.endswith(_DIGESTS))


def unreadable(where: str, first: Content | str, second: Content | str, step: Step) -> Field:
    """What is told where a side cannot be read: then it is a text that says why."""
    values = ["unreadable" if isinstance(each, str) else "readable" for each in (first, second)]
    note = first if isinstance(first, str) else str(second)
    return Field(where, (values[0], values[1]), Aspect.CONTENT, step, note=note)


def _opened(content: Callable[[], Content]) -> Content | str:
    try:
        return content()
    except (Unreadable, ValueError) as error:
        return str(error)


def _packed_alike(one: Member, other: Member) -> bool:
    if one.packed is None or other.packed is None or one.values != other.values:
        return False
    try:
        return where(Stream(one.packed()), Stream(other.packed())) is None
    except Unreadable:
        return False


def _top(members: Sequence[Member]) -> bytes:
    """The one folder that all members are in; empty where there is none."""
    tops = {member.name.removeprefix(b"./").partition(b"/")[0] for member in members}
    prefixes = {member.name.startswith(b"./") for member in members}
    holds = sum(b"/" in member.name.removeprefix(b"./").rstrip(b"/") for member in members)
    return tops.pop() if len(tops) == 1 and prefixes == {False} and holds else b""


def _below(members: Sequence[Member], length: int) -> Sequence[Member]:
    return [replace(member, name=member.name[length:].removeprefix(b"/") or b".") for member in members]


def _keyed(members: Sequence[Member]) -> dict[tuple[bytes, int], Member]:
    times: Counter[bytes] = Counter()
    found = {}
    for member in members:
        found[member.name, times[member.name]] = member
        times[member.name] += 1
    return found
