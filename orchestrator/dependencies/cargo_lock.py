"""Cargo.lock as it stands: its packages, line by line, before anything is asked of them. Pure.

Format: https://doc.rust-lang.org/cargo/guide/cargo-toml-vs-cargo-lock.html; versions 1 to 4.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any, Final

from orchestrator.dependencies.dependency import BadLock
from orchestrator.ground.toml_depth import too_deep
from orchestrator.ground.values import dataclass

DEFAULT: Final = "registry+https://github.com/rust-lang/crates.io-index"
"""What Cargo writes for its default registry, wherever it fetches from."""
LIMIT: Final = 16 << 20
"""Bytes. Some tens of thousands of packages."""
_NEWEST: Final = 4
_HEADER: Final = re.compile(r"\s*\[\[\s*package\s*\]\]")
_AT: Final = re.compile(r" \(at line (\d+), column \d+\)$")


@dataclass(frozen=True, slots=True)
class Entry:
    """One `[[package]]`. Its texts are a stranger's, and only known to be texts."""

    name: str
    version: str
    source: str | None
    """None for what is the project's own."""
    checksum: str | None
    needs: tuple[str, ...]
    """As written: `NAME`, `NAME VERSION` or `NAME VERSION (SOURCE)`, whichever tells it from others."""
    replaced_by: str | None
    line: int


def entries(data: bytes, place: str) -> tuple[Entry, ...]:
    """The packages of a lock, in its order. Raises BadLock."""
    values = toml_of(data, place)
    listed = values.get("package", [])
    text = data.decode()
    _known(values.get("version"), text, place)
    lines = [number for number, line in enumerate(text.split("\n"), 1) if _HEADER.match(line)]
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise BadLock(place, None, "its `package` is no list of tables", hint=_AGAIN)
    if len(lines) != len(listed):  # written by hand, as inline tables or in a text of several lines
        lines = [1] * len(listed)
    metadata = values.get("metadata")
    sums = metadata if isinstance(metadata, dict) else {}
    return tuple(_entry(each, line, sums, place) for each, line in zip(listed, lines, strict=True))


_AGAIN: Final = "have cargo write it again: `cargo generate-lockfile`"


def toml_of(data: bytes, place: str) -> dict[str, Any]:
    """The values of a file of Cargo's. Raises BadLock with the line of what is not TOML."""
    if len(data) > LIMIT:
        problem = f"it holds more than {LIMIT >> 20} MiB, which is not read"
        raise BadLock(
            place, None, problem, hint="name a smaller lock: a recipe each for parts of the workspace"
        )
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadLock(place, line, "not UTF-8", hint="save the file as UTF-8, as TOML demands") from error
    if too_deep(text):
        raise BadLock(place, None, "nested too deeply", hint=_AGAIN)
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise BadLock(place, None, "nested too deeply", hint=_AGAIN) from error
    except ValueError as error:
        said = str(error)
        found = _AT.search(said)
        line = int(found[1]) if found else text.count("\n") + 1
        what = said[: found.start()] if found else said.removesuffix(" (at end of document)")
        hint = (
            "keep the lines of one side, then run `cargo generate-lockfile`" if "<<<<<<<" in text else _AGAIN
        )
        raise BadLock(place, line, f"not TOML: {what[:1].lower()}{what[1:]}", hint=hint) from error


def _known(version: Any, text: str, place: str) -> None:
    """Versions 1 and 2 do not say which they are."""
    if version is None or (isinstance(version, int) and 0 < version <= _NEWEST and version is not True):
        return
    line = next(
        (at for at, each in enumerate(text.split("\n"), 1) if re.match(r"\s*version\s*=", each)), None
    )
    problem = f"it is of version {str(version)[:20]}, and versions 1 to {_NEWEST} are read"
    raise BadLock(place, line, problem, hint=f"have a cargo write it that writes version {_NEWEST}")


def _entry(table: Mapping[str, Any], line: int, sums: Mapping[str, Any], place: str) -> Entry:
    def text(key: str) -> str | None:
        value = table.get(key)
        if value is None or (isinstance(value, str) and 0 < len(value) <= 2000 and value.isprintable()):
            return value
        raise BadLock(place, line, f"`{key}` is no text: {str(value)[:80]!r}", hint=_AGAIN)

    name, version, source = text("name"), text("version"), text("source")
    if name is None or version is None:
        lacking = "name" if name is None else "version"
        raise BadLock(place, line, f"a package without a {lacking}", hint=_AGAIN)
    needs = table.get("dependencies", [])
    if not isinstance(needs, list) or not all(isinstance(each, str) for each in needs):
        raise BadLock(place, line, f"the `dependencies` of {name} are no list of texts", hint=_AGAIN)
    checksum = text("checksum")
    if checksum is None and isinstance(found := sums.get(f"checksum {name} {version} ({source})"), str):
        checksum = found  # version 1
    return Entry(name, version, source, checksum, tuple(needs), text("replace"), line)
