"""Reading TOML that somebody else wrote: bounded, and with the place of what is wrong."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import read_file, shown, without_mark
from orchestrator.ground.toml_depth import too_deep
from orchestrator.recipe.toml_slips import slip

LIMIT = 16 << 20  # a lock of some thousand packages is 1 MB
_HEADER = re.compile(r"\s*(\[\[?)([^\]]+)\]")
_KEY = re.compile(
    r"\s*((?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*'))*)\s*="
)
_PART = re.compile(r"[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*'")

Keys = tuple[str | int, ...]
"""Keys from the outside in; after the key of a list of tables, which of them it is, from 0."""


def read_toml(path: Path, what: str) -> tuple[str, dict[str, Any]]:
    """The text of a file and its TOML values. Raises TallyError when there are none."""
    return toml_of(read_bytes(path, what), path)


def read_bytes(path: Path, what: str) -> bytes:
    """The bytes of a TOML file. Raises TallyError for what cannot be read, and for what is too large."""
    hint = f"name {what}, a TOML file"
    data = read_file(path, "", LIMIT, hint)
    if len(data) > LIMIT:
        raise TallyError(f"{shown(path)} holds more than {LIMIT} bytes: too much for {what}", hint=hint)
    return data


def toml_of(data: bytes, path: Path) -> tuple[str, dict[str, Any]]:
    """The text and the TOML values of a file's bytes. Raises TallyError when they are not TOML."""
    try:
        text = without_mark(data).decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise TallyError(
            f"{path}:{line}: not UTF-8", hint="save the file as UTF-8, as TOML demands"
        ) from error
    return text, parse_toml(text, str(path))


def parse_toml(text: str, place: str) -> dict[str, Any]:
    """TOML values of a text. Raises TallyError with the line of what is not TOML."""
    if too_deep(text):
        raise TallyError(f"{place}: nested too deeply")
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise TallyError(f"{place}: nested too deeply") from error
    except ValueError as error:
        said = str(error)
        found = re.search(r" \(at line (\d+), column (\d+)\)$", said)
        where = f"{place}:{found[1]}:{found[2]}" if found else f"{place}:{text.count(chr(10)) + 1}"
        what = said[: found.start()] if found else said.removesuffix(" (at end of document)")
        what = re.sub(
            r"\((?:'[^']*'(?:, )?)+,?\)", lambda keys: ".".join(re.findall(r"'([^']*)'", keys[0])), what
        )
        hint = slip(text, int(found[1]) if found else text.count("\n") + 1, said)
        raise TallyError(f"{where}: not TOML: {what[:1].lower()}{what[1:]}", hint=hint) from error


def line_of(text: str, keys: Keys) -> int | None:
    """The line on which a key stands, or the nearest key above it that has one; None when none has.

    Reads TOML's lines without its values, so a list's items are found at their key's line, unless each is a
    table with a header.
    """
    best: tuple[int, int] | None = None  # how many keys matched, on which line
    for line, found in _keys(text):
        depth = _common(found, keys)
        if depth == len(found) and (best is None or depth > best[0]):
            best = (depth, line)
    return best[1] if best else None


def _common(found: Keys, keys: Keys) -> int:
    return len(found) if keys[: len(found)] == found else 0


def _keys(text: str) -> list[tuple[int, Keys]]:
    """Every line that names a key or a table, with the whole key."""
    keys: list[tuple[int, Keys]] = []
    table: Keys = ()
    last: dict[Keys, int] = {}
    """Which table of a list the newest one is."""
    inside: str | None = None
    for number, line in enumerate(text.split("\n"), 1):
        if inside is not None:
            inside = _still_inside(line, inside)
            continue
        if header := _HEADER.match(line):
            names = tuple(part.strip("\"'") for part in _PART.findall(header[2]))
            *above, name = names or ("",)
            table = ()
            for part in above:
                table = (*table, part, last[*table, part]) if (*table, part) in last else (*table, part)
            table = (*table, name)
            if header[1] == "[[":
                last[table] = last.get(table, -1) + 1
                if last[table] == 0:
                    keys.append((number, table))
                table = (*table, last[table])
            keys.append((number, table))
        elif key := _KEY.match(line):
            keys.append((number, table + tuple(part.strip("\"'") for part in _PART.findall(key[1]))))
            inside = _opened(line[key.end() :])
    return keys


def _opened(value: str) -> str | None:
    """The quotes of a multi-line string that a value opens and does not close on its line."""
    found = re.match(r"\s*(\"\"\"|''')", value)
    if not found:
        return None
    return _still_inside(value[found.end() :], found[1])


def _still_inside(line: str, quotes: str) -> str | None:
    if quotes == '"""':
        line = re.sub(r"\\.", "", line)
    return None if quotes in line else quotes
