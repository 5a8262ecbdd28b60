"""A lock file in TOML: bounded, and with the lines of its tables. Pure."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any, Final

from orchestrator.dependencies.dependency import BadLock
from orchestrator.ground.toml_depth import too_deep
from orchestrator.ground.values import dataclass

LIMIT: Final = 16 << 20
"""Bytes. Some tens of thousands of packages."""
_LONGEST: Final = 4000
_AT: Final = re.compile(r" \(at line (\d+), column \d+\)$")


@dataclass(frozen=True, slots=True)
class TomlFile:
    """The values of such a file, with what messages need."""

    place: str
    again: str
    """How its own program writes it again: the hint of what is wrong with it."""
    text: str
    values: Mapping[str, Any]

    def bad(self, line: int | None, problem: str, hint: str | None = None) -> BadLock:
        """The error for something in it."""
        return BadLock(self.place, line, problem, hint=hint or self.again)

    def tables(self, key: str) -> tuple[Table, ...]:
        """The tables of `[[KEY]]`, in its order. Raises BadLock."""
        listed = self.values.get(key, [])
        if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
            raise self.bad(self.line_of(key), f"`{key}` is no list of tables")
        header = re.compile(rf"\s*\[\[\s*{re.escape(key)}\s*\]\]")
        lines = [number for number, line in enumerate(self.text.split("\n"), 1) if header.match(line)]
        if len(lines) != len(listed):  # inline tables, or a text of several lines that looks like one
            lines = [self.line_of(key) or 1] * len(listed)
        return tuple(Table(self, line, each) for line, each in zip(lines, listed, strict=True))

    def table(self, *keys: str) -> Table:
        """The table of `[KEY.KEY]`; an empty one where there is none. Raises BadLock."""
        found: Any = self.values
        for key in keys:
            found = found.get(key, {}) if isinstance(found, dict) else None
        line = self.line_of(keys[-1]) or 1
        if not isinstance(found, dict):
            raise self.bad(line, f"`{'.'.join(keys)}` is no table")
        return Table(self, line, found)

    def line_of(self, key: str) -> int | None:
        """The first line that says this key, or this table."""
        said = re.compile(rf"\s*(?:\[+[^\]]*{re.escape(key)}\"?\s*\]+|\"?{re.escape(key)}\"?\s*=)")
        return next(
            (number for number, line in enumerate(self.text.split("\n"), 1) if said.match(line)), None
        )


@dataclass(frozen=True, slots=True)
class Table:
    """One table of it. Its values are a stranger's until they were asked for here."""

    file: TomlFile
    line: int
    values: Mapping[str, Any]

    def bad(self, problem: str, hint: str | None = None) -> BadLock:
        return self.file.bad(self.line, problem, hint)

    def text(self, key: str) -> str:
        """A text that has to be there. Raises BadLock."""
        found = self.maybe(key)
        if not found:
            raise self.bad(f"`{key}` is lacking")
        return found

    def maybe(self, key: str) -> str | None:
        """A text, if it is there. Raises BadLock for anything else."""
        value = self.values.get(key)
        if value is None or (isinstance(value, str) and len(value) <= _LONGEST and value.isprintable()):
            return value
        raise self.bad(f"`{key}` is no text of one line: {str(value)[:80]!r}")

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts, empty where there is none. Raises BadLock."""
        value = self.values.get(key, [])
        if isinstance(value, list) and all(isinstance(each, str) for each in value):
            return tuple(value)
        raise self.bad(f"`{key}` is no list of texts: {str(value)[:80]!r}")

    def within(self, key: str) -> Table:
        """A table in it, empty where there is none. Raises BadLock."""
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            raise self.bad(f"`{key}` is no table: {str(value)[:80]!r}")
        return Table(self.file, self.line, value)

    def listed(self, key: str) -> tuple[Table, ...]:
        """A list of tables in it, empty where there is none. Raises BadLock."""
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise self.bad(f"`{key}` is no list of tables: {str(value)[:80]!r}")
        return tuple(Table(self.file, self.line, each) for each in value)


def read(data: bytes, place: str, again: str) -> TomlFile:
    """The file of these bytes. Raises BadLock with the line of what is not TOML."""
    if len(data) > LIMIT:
        problem = f"it is larger than {LIMIT:,} bytes, and not read"
        raise BadLock(
            place, None, problem, hint="name a smaller lock: a recipe each for parts of the project"
        )
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadLock(place, line, "not UTF-8", hint="save the file as UTF-8, as TOML demands") from error
    if too_deep(text):
        raise BadLock(place, None, "nested too deeply", hint=again)
    try:
        return TomlFile(place, again, text, tomllib.loads(text))
    except RecursionError as error:
        raise BadLock(place, None, "nested too deeply", hint=again) from error
    except ValueError as error:
        said = str(error)
        found = _AT.search(said)
        line = int(found[1]) if found else text.count("\n") + 1
        what = said[: found.start()] if found else said.removesuffix(" (at end of document)")
        hint = f"keep the lines of one side, then {again}" if "<<<<<<<" in text else again
        raise BadLock(place, line, f"not TOML: {what[:1].lower()}{what[1:]}", hint=hint) from error
