"""Debian's security tracker: which versions of which source packages have which vulnerabilities. Pure.

It is the JSON document that the tracker publishes: an object of source packages. Each is an object of
identifiers, and of each `releases` says by suite whether it is `open` or `resolved`, and in which version.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from orchestrator.ground.errors import TallyError
from orchestrator.ground.wording import some
from orchestrator.pinning.changes import Changes, Moved, Toolchain
from orchestrator.recipe.lock import DebianPackage
from orchestrator.recipe.suites import Suite
from orchestrator.recipe.versions import ordered

LARGEST: Final = 1 << 30
"""Bytes of the document; Debian's own takes 70 million."""
EXPECTED: Final = "expected the JSON document that Debian's security tracker publishes: /tracker/data/json"
_UNKNOWN: Final = (
    "it has another source now, or the lock before does not say which version of its source it is"
)
_BLANK: Final = re.compile(r"[ \t\r\n]*")
_REBUILT: Final = re.compile(r"\+b[0-9]+$")  # built once more from the same source
Known = Mapping[str, Mapping[str, Any]]
"""Source package to identifier to what is said of it."""


def read(data: bytes, place: str, sources: Collection[str]) -> Known:
    """What the document says of these source packages. Others are passed over, one at a time.

    Raises TallyError for what is not such a document.
    """
    try:
        return {name: told for name, told in _members(data.decode()) if name in sources and _fits(told)}
    except (ValueError, RecursionError) as error:
        raise TallyError(
            f"{place}: this is no dump of the security tracker: {error}", hint=EXPECTED
        ) from error


def sources_of(changes: Changes) -> frozenset[str]:
    """The source packages of everything that moved."""
    packages = (
        each for found in changes.toolchains for moved in found.moved for each in (moved.old, moved.new)
    )
    return frozenset(source_of(each) for each in packages if each is not None)


def with_vulnerabilities(changes: Changes, known: Known) -> Changes:
    """The changes with what each package that moved up or down closes and opens."""
    unknown: dict[str, None] = {}
    found = tuple(_looked_up(each, known, unknown) for each in changes.toolchains)
    said = f"nobody can tell which vulnerabilities changed of {some(sorted(unknown))}: {_UNKNOWN}"
    return replace(changes, toolchains=found, other=(*changes.other, *((said,) if unknown else ())))


def source_of(package: DebianPackage) -> str:
    """The name of the source: the pool has a folder for each."""
    return package.pool.split("/")[-2]


def _looked_up(found: Toolchain, known: Known, unknown: dict[str, None]) -> Toolchain:
    before, after = found.before, found.after
    if before is None or after is None:
        return found
    judged = tuple(_judged(each, before, after, known, unknown) for each in found.moved)
    return replace(found, moved=judged)


def _judged(moved: Moved, before: Suite, after: Suite, known: Known, unknown: dict[str, None]) -> Moved:
    old, new = moved.old, moved.new
    if old is None or new is None:
        return moved
    if source_of(old) != source_of(new) or bool(old.source_version) != bool(new.source_version):
        unknown[moved.name] = None
        return moved
    closed: list[str] = []
    opened: list[str] = []
    for identifier, told in sorted(known.get(source_of(new), {}).items()):
        had, has = _has(old, before, told), _has(new, after, told)
        if had is not None and has is not None and had != has:
            (closed if had else opened).append(identifier)
    return replace(moved, closed=tuple(closed), opened=tuple(opened))


def _has(package: DebianPackage, suite: Suite, told: Mapping[str, Any]) -> bool | None:
    """Whether a package has a vulnerability, as the tracker says of its suite; None: it does not say."""
    release = told["releases"].get(suite.name)
    if release is None:
        return None
    if release.get("status") == "open":
        return True
    fixed = release.get("fixed_version")
    if release.get("status") != "resolved" or not isinstance(fixed, str):
        return None
    if fixed == "0":  # never had it
        return False
    return bool(ordered("deb", _source_version(package)) < ordered("deb", fixed))


def _source_version(package: DebianPackage) -> str:
    return package.source_version or _REBUILT.sub("", package.version)


def _fits(told: Any) -> bool:
    if not isinstance(told, dict) or not all(
        isinstance(each, dict)
        and isinstance(each.get("releases", {}), dict)
        and all(isinstance(release, dict) for release in each.get("releases", {}).values())
        for each in told.values()
    ):
        raise ValueError("a source package in it has no identifiers with releases")
    for each in told.values():
        each.setdefault("releases", {})
    return True


def _members(text: str) -> Iterator[tuple[str, Any]]:
    """An object's members, one after the other, so that no more than one is in memory."""
    decoder, place = json.JSONDecoder(), _after(text, 0)
    if text[place : place + 1] != "{":
        raise ValueError("it is no JSON object")
    place = _after(text, place + 1)
    if text[place : place + 1] == "}":
        return
    while True:
        name, place = decoder.raw_decode(text, place)
        place = _after(text, place)
        if not isinstance(name, str) or text[place : place + 1] != ":":
            raise ValueError(f"a name and a colon belong at character {place}")
        value, place = decoder.raw_decode(text, _after(text, place + 1))
        yield name, value
        place = _after(text, place)
        if text[place : place + 1] == "}":
            return
        if text[place : place + 1] != ",":
            raise ValueError(f"it ends at character {place}, or has no comma there")
        place = _after(text, place + 1)


def _after(text: str, place: int) -> int:
    found = _BLANK.match(text, place)
    return found.end() if found else place
