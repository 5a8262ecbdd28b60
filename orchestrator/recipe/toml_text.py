"""TOML text from plain values, the same for the same values; each table as reviewable lines. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_WIDTH = 110
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def write_tables(values: Mapping[str, Any]) -> str:
    """A TOML document of strings, whole numbers, booleans, lists of those, tables, and lists of tables."""
    return "\n".join(_table((), values)) + "\n"


def _table(path: tuple[str, ...], values: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    later: list[str] = []
    for key, value in values.items():
        here = (*path, key)
        if isinstance(value, Mapping):
            body = _table(here, value)
            plain = any(not isinstance(inner, Mapping) and not _is_tables(inner) for inner in value.values())
            later += ([f"\n[{_dotted(here)}]"] if plain or not value else []) + body
        elif _is_tables(value):
            for each in value:
                later += [f"\n[[{_dotted(here)}]]", *_table(here, each)]
        else:
            lines.append(f"{_key(key)} = {_value(value)}")
    return lines + later


def _is_tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, Mapping) for each in value)


def _value(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case str():
            return _string(value)
        case list():
            return _list(value)
        case Mapping():
            return (
                "{ " + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + " }"
                if value
                else "{}"
            )
        case other:
            raise TypeError(f"no TOML for {type(other).__name__}")


def _list(values: Sequence[object]) -> str:
    line = "[" + ", ".join(_value(value) for value in values) + "]"
    if len(line) <= _WIDTH:
        return line
    return "[\n" + "".join(f"    {_value(value)},\n" for value in values) + "]"


def _string(value: str) -> str:
    return '"' + "".join(_character(c) for c in value) + '"'


def _character(c: str) -> str:
    if c in _ESCAPES:
        return _ESCAPES[c]
    return f"\\u{ord(c):04X}" if ord(c) < 0x20 or ord(c) == 0x7F else c


def _dotted(path: Sequence[str]) -> str:
    return ".".join(_key(part) for part in path)


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _string(key)
