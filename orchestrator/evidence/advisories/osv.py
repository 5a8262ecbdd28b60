"""One record of a vulnerability in the OSV format: which packages it affects. Pure.

Specification: https://ossf.github.io/osv-schema/, `affected[]`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from orchestrator.recipe.names import normalised

_TYPES: Final[Mapping[str, str]] = {
    "GitHub Actions": "githubactions",
    "Go": "golang",
    "Hackage": "hackage",
    "Hex": "hex",
    "Maven": "maven",
    "npm": "npm",
    "NuGet": "nuget",
    "Packagist": "composer",
    "Pub": "pub",
    "PyPI": "pypi",
    "RubyGems": "gem",
    "SwiftURL": "swift",
}
"""Ecosystems to types of package URLs. Distributions are not here: their records name source packages."""
_SPELT: Final = {ecosystem.lower(): kind for ecosystem, kind in _TYPES.items()}
"""The same in small letters: whoever writes records of his own spells them as he likes."""
_CARGO: Final = re.compile(r"crates\Wio")
_EVENTS: Final = ("introduced", "fixed", "last_affected", "limit")


class NotOsv(ValueError):
    """What is not a record in this format."""


@dataclass(frozen=True, slots=True)
class Name:
    """What a package is called: its type, and namespace and name as they are compared."""

    kind: str
    name: str

    @classmethod
    def of(cls, kind: str, name: str) -> Name:
        return cls(kind, normalised(name) if kind == "pypi" else name.lower())


@dataclass(frozen=True, slots=True)
class Range:
    """Versions between events: (`introduced`, `fixed`, `last_affected` or `limit`, version)."""

    commits: bool
    """They are commits of a repository, which have no order without it."""
    events: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Affected:
    """One package, and which of its versions."""

    package: Name
    versions: frozenset[str]
    ranges: tuple[Range, ...]


@dataclass(frozen=True, slots=True)
class Advisory:
    """One record, not withdrawn."""

    id: str
    aliases: tuple[str, ...]
    summary: str
    affected: tuple[Affected, ...]


def read(data: bytes) -> Advisory | None:
    """A record; None: it was withdrawn. Raises NotOsv."""
    try:
        told = orjson.loads(data)
    except ValueError as error:
        raise NotOsv(f"it is not JSON: {error}") from error
    if not isinstance(told, dict) or not _is_word(told.get("id")) or not _is_word(told.get("modified")):
        raise NotOsv("it has no `id` or no `modified`, which every OSV record has")
    if told.get("withdrawn"):
        return None
    summary = told.get("summary") or told.get("details") or ""
    return Advisory(
        told["id"],
        tuple(filter(_is_word, _list(told, "aliases"))),
        str(summary).strip().partition("\n")[0][:200],
        tuple(_affected(_list(told, "affected"))),
    )


def _affected(listed: list[Any]) -> Iterator[Affected]:
    for each in listed:
        if not isinstance(each, dict):
            raise NotOsv("its `affected` is no list of objects")
        package = _package(each.get("package"))
        if package is not None:
            versions = _list(each, "versions")
            if not all(map(_is_word, versions)):
                raise NotOsv("a version in it is no word")
            yield Affected(package, frozenset(versions), tuple(map(_range, _list(each, "ranges"))))


def _package(told: Any) -> Name | None:
    """None: of an ecosystem whose names are no package URL's."""
    if not isinstance(told, dict):  # with ranges of commits alone
        return None
    ecosystem, name = told.get("ecosystem"), told.get("name")
    if not isinstance(ecosystem, str) or not isinstance(name, str):
        raise NotOsv("a `package` in it has no `ecosystem` or no `name`")
    base = ecosystem.partition(":")[0].lower()
    kind = "cargo" if _CARGO.fullmatch(base) else _SPELT.get(base)
    return None if kind is None else Name.of(kind, name.replace(":", "/") if kind == "maven" else name)


def _range(told: Any) -> Range:
    if not isinstance(told, dict) or not isinstance(told.get("events"), list):
        raise NotOsv("a range in it has no `events`")
    found = []
    for event in told["events"]:
        if not isinstance(event, dict):
            raise NotOsv("an event in it is no object")
        for name in _EVENTS:
            if name in event:
                if not isinstance(event[name], str):
                    raise NotOsv(f"`{name}` in it is no text")
                found.append((name, event[name]))
    if all(name != "introduced" for name, _ in found):
        raise NotOsv("a range in it says of no version where it begins (`introduced`)")
    return Range(told.get("type") == "GIT", tuple(found))


def _list(told: Mapping[str, Any], name: str) -> list[Any]:
    found = told.get(name)
    if found is None:
        return []
    if not isinstance(found, list):
        raise NotOsv(f"its `{name}` is no list")
    return found


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 300 and value.isprintable()
