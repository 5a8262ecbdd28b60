"""Places as a reader sees them: a line each, grouped by file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from orchestrator.agreement.cause import Cause
from orchestrator.cli.text import as_json
from orchestrator.places.place import Aspect, Place

_IN_MEMORY: Final = 4 << 20  # characters of JSON

_IN_WORDS = frozenset({Aspect.MISSING, Aspect.TYPE, Aspect.EXECUTABLE, Aspect.PACKING})
"""Where the values are words of ours, and no text of theirs."""


def line(place: Place) -> str:
    """One place, without its file: the way in, what differs there, both values, and what it looks like."""
    head = head_of(place)
    said = f"{head}: {_values(place)}" if head else _values(place)
    hint = "" if place.cause is Cause.UNKNOWN else f"; looks like {place.cause}"
    only = "; it follows from what else differs" if place.mirrors else ""
    note = f" ({place.note})" if place.note else ""
    return f"{said}{hint}{only}{note}"


def head_of(place: Place) -> str:
    """The containers on the way in, what it is there, and the offset; empty for a file as such."""
    way = " > ".join(map(str, place.inside))
    return ", ".join(filter(None, (way, place.where, _offset(place))))


def _offset(place: Place) -> str:
    return "" if place.offset is None or place.aspect is Aspect.TIME else f"offset {place.offset}"


def _values(place: Place) -> str:
    one, other = place.values
    if place.aspect in _IN_WORDS:
        return f"{one} in A, {other} in B"
    verb = "points to " if place.aspect is Aspect.TARGET else ""
    return f"{verb}`{one}` in A, `{other}` in B"


class Grouped:
    """Lines of places as they come, each file's name above its own."""

    def __init__(self, itself: str) -> None:
        self._itself = itself
        """What is said for the file `.`."""
        self._file: str | None = None

    def lines(self, place: Place) -> Iterator[str]:
        """The lines that tell of the next place."""
        if place.file != self._file:
            self._file = place.file
            yield self._itself if place.file == "." else place.file
        yield f"  {line(place)}"


class Listed:
    """The JSON document of places: they come one by one, however many there are, and are printed last."""

    def __init__(self) -> None:
        import tempfile  # with 2 ms of its own

        self._kept = tempfile.SpooledTemporaryFile(_IN_MEMORY, "w+", encoding="utf-8")  # noqa: SIM115  closed below
        self._comma = ""

    def add(self, place: Place) -> None:
        """One more place."""
        text = as_json(place.document()).replace("\n", "\n    ")
        self._kept.write(f"{self._comma}\n    {text}")
        self._comma = ","

    def show(self, head: Mapping[str, Any]) -> None:
        """Print the document: what is said of all, and the places."""
        with self._kept:
            self._kept.seek(0)
            print(f'{as_json(head)[:-2]},\n  "places": [', end="")
            while piece := self._kept.read(1 << 16):
                print(piece, end="")
            print("\n  ]\n}" if self._comma else "]\n}")
