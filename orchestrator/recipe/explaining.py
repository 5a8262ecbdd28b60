"""From pydantic's errors to sentences with the file, the line, the key, and the nearest known key. Pure."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, Discriminator, Tag, ValidationError

from orchestrator.ground.digest import NotSha256
from orchestrator.ground.wording import counted
from orchestrator.recipe.toml import line_of

_SHOWN = 10
_LONGEST = 100
_LARGEST = 10**20
_EXPECTED = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "dict_type": "a table",
    "int_type": "a whole number",
    "list_type": "a list",
    "model_attributes_type": "a table",
    "model_type": "a table",
    "string_type": "a string",
    "path_type": "a file's name",
    "tuple_type": "a list",
}
_COPY = "copy the whole of it, as `sha256sum FILE` prints it of the file, or from who publishes that"
_TYPES = {
    bool: "a boolean",
    date: "a date",
    datetime: "a date and time",
    dict: "a table",
    float: "a number",
    int: "a number",
    list: "a list",
    str: "a string",
    time: "a time",
}
_LIMITS: Mapping[str, tuple[str, str]] = {
    "greater_than_equal": ("ge", "a number of at least {}"),
    "less_than_equal": ("le", "a number of at most {}"),
    "string_too_long": ("max_length", "at most {} characters"),
    "string_too_short": ("min_length", "a text of at least {} character(s)"),
    "too_long": ("max_length", "at most {} of them"),
    "too_short": ("min_length", "at least {} of them"),
}
"""What pydantic calls a limit that does not hold: where it has the limit, and what we say."""


def explain(error: ValidationError, text: str, place: str, model: type[BaseModel]) -> tuple[str, str | None]:
    """One line for each problem, in the file's order, and a hint for the first that has one."""
    told = (dict(each) for each in error.errors(include_url=False))
    found = [_problem(each, text, place, model) for each in told if not _follows(each)]
    problems = sorted(dict.fromkeys(found), key=lambda problem: problem[0])
    lines = [message for _, message, _ in problems[:_SHOWN]]
    if len(problems) > _SHOWN:
        lines.append(f"… and {len(problems) - _SHOWN} more")
    return "\n".join(lines), next((hint for _, _, hint in problems if hint), None)


def _follows(each: Mapping[str, Any]) -> bool:
    """Whether it is told only because a list's items are faulty, which is told besides."""
    return each["type"] == "too_short" and bool(len(each["input"]) >= each["ctx"]["min_length"])


def _problem(
    each: Mapping[str, Any], text: str, place: str, model: type[BaseModel]
) -> tuple[int, str, str | None]:
    path, known, wanted, way_out = _walk(each["loc"], model)
    keys = [part for part in path if isinstance(part, str)]
    line = line_of(text, tuple(path))
    where = f"{place}:{line}" if line else place
    said, hint = _sentence(each, keys, known)
    if each["type"] == "extra_forbidden" and len(path) > 1:
        hint = _of_the_top(str(path[-1]), each["input"], model) or hint
    if each["type"] in ("list_type", "tuple_type") and isinstance(each["input"], Mapping):
        hint = (
            f"write [[{'.'.join(keys)}]], with two brackets: there may be several"
            if _fields(_item(wanted))
            else hint
        )
    return line or 0, f"{where}: {said}", hint or (way_out if each["type"] != "missing" else None)


def _of_the_top(key: str, given: object, model: type[BaseModel]) -> str | None:
    """The way out for a key of the whole file that stands in one of its tables; None for any other."""
    if key not in _fields(model):
        return None
    if isinstance(given, Mapping):
        return f"`{key}` is a table of the whole file: write [{key}]"
    if isinstance(given, list) and given and isinstance(given[0], Mapping):
        return f"`{key}` is a list of tables of the whole file: write [[{key}]]"
    return f"`{key}` belongs at the top of the file, before the first table"


def _sentence(each: Mapping[str, Any], keys: Sequence[str], known: Sequence[str]) -> tuple[str, str | None]:
    key = ".".join(_quoted(part) for part in keys)
    name = f"`{key}`: " if key else ""
    given = each.get("input")
    match each["type"]:
        case "extra_forbidden":
            swapped = [each for each in known if sorted(each) == sorted(keys[-1])]
            nearest = get_close_matches(keys[-1], known, n=1) or swapped
            return f"unknown key `{key}`", (
                f"did you mean `{nearest[0]}`?" if nearest else f"known keys here: {', '.join(known)}"
            )
        case "missing":
            return f"`{key}` is missing", None
        case "union_tag_not_found" if not isinstance(given, Mapping):
            return (
                f"{name}expected a table with one of the keys {', '.join(known)}, got {_typed(given)}",
                None,
            )
        case "union_tag_not_found":
            return f"{name}expected one of the keys {', '.join(known)}", "a source has exactly one of them"
        case "value_error":
            error = each["ctx"]["error"]
            return f"{name}{error}", _COPY if isinstance(error, NotSha256) else None
        case "literal_error" | "enum":
            nearest = get_close_matches(
                given if isinstance(given, str) else "",
                str(each["ctx"]["expected"]).replace("'", "").replace(" or ", ", ").split(", "),
                n=1,
            )
            hint = f"did you mean {nearest[0]!r}?" if nearest else None
            return f"{name}expected {each['ctx']['expected']}; got {shown(given)}", hint
        case kind if kind in _EXPECTED:
            return f"{name}expected {_EXPECTED[kind]}, got {_typed(given)}", None
        case kind if kind in _LIMITS:
            limit, expected = _LIMITS[kind]
            return f"{name}expected {expected.format(each['ctx'][limit])}; got {_measured(given)}", None
        case _:
            return f"{name}expected something else than {shown(given)}", None


def _quoted(part: str) -> str:
    return part if part.replace("_", "").replace("-", "").isalnum() and part.isascii() else repr(part[:80])


def _typed(value: object) -> str:
    """What a value is, and which, where that is short."""
    kind = _TYPES.get(type(value), "something else")
    return kind if isinstance(value, dict | list) else f"{kind} ({shown(value)})"


def _measured(value: object) -> str:
    if isinstance(value, str):
        return counted(len(value), "character") if value else "an empty one"
    return str(len(value)) if isinstance(value, Sequence | Mapping) else shown(value)


def shown(value: object) -> str:
    """A value as sentences hold it, cut where it is long."""
    match value:
        case bool():
            return str(value).lower()
        case int() if abs(value) >= _LARGEST:  # Python writes no more than some thousand digits
            return "a number far larger" if value > 0 else "a number far smaller"
        case dict() | list():
            return _TYPES[type(value)]
        case date() | time():
            return value.isoformat()
        case _:
            text = repr(value)
            return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _walk(location: Sequence[str | int], model: Any) -> tuple[list[str | int], list[str], Any, str | None]:
    """The keys as the file has them (no tags), indices in lists too; those known at the last; its type, and
    what its table's model has to say of it (`ways_out`)."""
    keys: list[str | int] = []
    way_out: str | None = None
    known: list[str] = []
    current: Any = _bare(model)
    for part in location:
        tags = _tags(current)
        if part in tags:
            current = tags[str(part)]
            continue
        if part == "[key]":
            continue
        if isinstance(part, int):
            current = _item(current)
            keys.append(part)
            continue
        fields = _fields(current)
        keys.append(str(part))
        way_out = getattr(current, "ways_out", {}).get(part)
        known = sorted(fields) or known
        current = fields[part] if part in fields else _item(current)
    tags = _tags(current)
    return keys, list(tags) if tags else known, current, way_out


def _fields(current: Any) -> Mapping[str, Any]:
    return _of_model(current) if isinstance(current, type) and issubclass(current, BaseModel) else {}


@cache
def _of_model(model: type[BaseModel]) -> Mapping[str, Any]:
    return {field.alias or name: _bare(_annotation(field)) for name, field in model.model_fields.items()}


def _annotation(field: Any) -> Any:
    return Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation


def _item(current: Any) -> Any:
    """What a table's values or a list's items are."""
    arguments = get_args(current)
    match get_origin(current):
        case origin if origin is dict:
            return _bare(arguments[1])
        case origin if origin in (list, tuple):
            return _bare(arguments[0])
        case _:
            return None


def _tags(current: Any) -> dict[str, Any]:
    """The members of a union whose tag is a key of the table, by that key."""
    if get_origin(current) not in (Union, types.UnionType):
        return {}
    tagged = {}
    for member in get_args(current):
        for mark in getattr(member, "__metadata__", ()):
            if isinstance(mark, Tag):
                tagged[mark.tag] = _bare(member)
    return tagged


def _bare(annotation: Any) -> Any:
    """An annotation without its notes, and without `| None`."""
    if get_origin(annotation) is Annotated:
        marks = annotation.__metadata__
        inner = get_args(annotation)[0]
        return inner if any(isinstance(mark, Discriminator) for mark in marks) else _bare(inner)
    if get_origin(annotation) in (Union, types.UnionType):
        members = [member for member in get_args(annotation) if member is not type(None)]
        if len(members) == 1:
            return _bare(members[0])
    return annotation
