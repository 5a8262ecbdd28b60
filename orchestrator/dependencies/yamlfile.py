"""A lock file in YAML: bounded, with the lines of its keys. Pure.

All scalars are texts, as they are written: `1.10` is no number. What others may read as something else is
refused: anchors, tags, merge keys and several documents.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from orchestrator.dependencies.dependency import BadLock
from orchestrator.ground.values import dataclass

LIMIT: Final = 16 << 20
"""Bytes. Some tens of thousands of packages."""
_DEEPEST: Final = 50
Value = Any
"""A text, a list of values, or a dictionary of texts and values."""


@dataclass(frozen=True, slots=True)
class YamlFile:
    """The values of such a file."""

    place: str
    again: str
    """How its own program writes it again: the hint of what is wrong with it."""
    values: Mapping[str, Value]
    lines: Mapping[tuple[str, str], int]
    """The line of each key in each table at the top, from 1; of these themselves by an empty second key."""

    def bad(self, line: int | None, problem: str, hint: str | None = None) -> BadLock:
        """The error for something in it."""
        return BadLock(self.place, line, problem, hint=hint or self.again)

    def table(self, key: str) -> Mapping[str, Value]:
        """A table at the top, empty where there is none. Raises BadLock."""
        found = self.values.get(key) or {}
        if not isinstance(found, dict):
            raise self.bad(self.lines.get((key, "")), f"`{key}` is no table")
        return found

    def tables(self, key: str) -> Mapping[str, Mapping[str, Value]]:
        """A table of tables at the top, empty where there is none. Raises BadLock."""
        found = self.table(key)
        for name, each in found.items():
            if not isinstance(each, dict):
                raise self.bad(self.lines.get((key, name)), f"{name[:200]}: it is no table")
        return found


def read(data: bytes, place: str, again: str) -> YamlFile:
    """The file of these bytes. Raises BadLock with the line of what cannot be read."""
    import yaml

    if len(data) > LIMIT:
        problem = f"it is larger than {LIMIT:,} bytes, and not read"
        raise BadLock(
            place, None, problem, hint="name a smaller lock: a recipe each for parts of the project"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadLock(place, line, "not UTF-8", hint=again) from error
    loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    building = _Building(place, again)
    try:
        values = building.built(yaml.parse(text, Loader=loader))
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        said = getattr(error, "problem", None) or "it cannot be read"
        hint = f"keep the lines of one side, then {again}" if "<<<<<<<" in text else again
        at = mark.line + 1 if mark is not None else None
        raise BadLock(place, at, f"not YAML: {said[:200]}", hint=hint) from error
    if not isinstance(values, dict):
        raise BadLock(place, 1, "it is no table", hint=again)
    return YamlFile(place, again, values, building.lines)


class _Building:
    """Values of events, one after another: what is nested deeply takes no stack."""

    def __init__(self, place: str, again: str) -> None:
        self.place, self.again = place, again
        self.lines: dict[tuple[str, str], int] = {}

    def bad(self, event: Any, problem: str) -> BadLock:
        return BadLock(self.place, event.start_mark.line + 1, problem, hint=self.again)

    def built(self, events: Iterator[Any]) -> Value:
        import yaml

        above: list[tuple[Any, str | None]] = []
        """Tables and lists that are open, each with the key that waits for its value."""
        top: Value = None
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self.bad(event, "it has several documents")
            elif isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
                raise self.bad(event, "it has an anchor, and lock files have none")
            elif getattr(event, "tag", None) is not None:
                raise self.bad(event, "it has a tag, and lock files have none")
            elif isinstance(event, yaml.ScalarEvent):
                if above and isinstance(above[-1][0], dict) and above[-1][1] is None:
                    self._key(above, event)
                else:
                    top = self._put(above, event.value, top)
            elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                if len(above) == _DEEPEST:
                    raise self.bad(event, "it is nested too deeply")
                if above and isinstance(above[-1][0], dict) and above[-1][1] is None:
                    raise self.bad(event, "a key of it is no text")
                new: Value = {} if isinstance(event, yaml.MappingStartEvent) else []
                top = self._put(above, new, top)
                above.append((new, None))
            elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                above.pop()
        return top

    def _put(self, above: list[tuple[Any, str | None]], value: Value, top: Value) -> Value:
        """Where it belongs; what is above all else is given back."""
        if not above:
            return value
        holder, key = above[-1]
        if isinstance(holder, list):
            holder.append(value)
        else:
            holder[key] = value
            above[-1] = (holder, None)
        return top

    def _key(self, above: list[tuple[Any, str | None]], event: Any) -> None:
        holder, key = above[-1][0], event.value
        if key == "<<":  # pnpm would take what is below for keys beside it
            raise self.bad(event, "it has a merge key, and lock files have none")
        if key in holder:
            raise self.bad(event, f"{key[:200]} stands there twice")
        if len(above) == 1:
            self.lines[key, ""] = event.start_mark.line + 1
        elif len(above) == 2 and above[0][1] is None and isinstance(above[0][0], dict):
            self.lines[next(reversed(above[0][0])), key] = event.start_mark.line + 1
        above[-1] = (holder, key)
