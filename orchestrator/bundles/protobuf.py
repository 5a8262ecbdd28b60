"""One spelling for what protobuf's JSON mapping lets be spelt in several ways. Pure.

Specification: https://protobuf.dev/programming-guides/json/. Members are named in camelCase or as in the
`.proto` file; `null` is absence. Its other spellings of bytes (base64url, no padding) are not taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from orchestrator.evidence.canonical import MalformedError


def spellings(names: Iterable[str]) -> Mapping[str, str]:
    """Both spellings of each member, to the one in camelCase."""
    return {spelling: name for name in names for spelling in (name, _snake(name))}


def normal(value: object, known: Mapping[str, str], what: str) -> object:
    """A JSON value, all its objects' members in camelCase and none of them null.

    Raises MalformedError for an object that has a member under both its names, which readers would take
    differently. Members that are not known stay as they are.
    """
    if isinstance(value, list):
        return [normal(each, known, what) for each in value]
    if not isinstance(value, dict):
        return value
    found: dict[str, object] = {}
    for spelling, member in value.items():
        name = known.get(spelling, spelling)
        if name in found:
            raise MalformedError(f"{what} has {name!r} twice, under both its names")
        found[name] = normal(member, known, what)
    return {name: member for name, member in found.items() if member is not None}


def _snake(name: str) -> str:
    """`rfc3161Timestamps` as the `.proto` file has it: `rfc3161_timestamps`."""
    return re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", name)
