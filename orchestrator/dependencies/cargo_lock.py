"""Cargo.lock as it stands: its packages, line by line, before anything is asked of them. Pure.

Format: https://doc.rust-lang.org/cargo/guide/cargo-toml-vs-cargo-lock.html; versions 1 to 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from orchestrator.dependencies import tomlfile
from orchestrator.dependencies.tomlfile import Table, TomlFile
from orchestrator.ground.values import dataclass

DEFAULT: Final = "registry+https://github.com/rust-lang/crates.io-index"
"""What Cargo writes for its default registry, wherever it fetches from."""
AGAIN: Final = "run `cargo generate-lockfile`, or `cargo update --workspace` to change as little as can be"
"""The way out for a lock that is not as Cargo writes it."""
_NEWEST: Final = 4


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
    file = tomlfile.read(data, place, AGAIN)
    _known(file)
    metadata = file.values.get("metadata")
    sums = metadata if isinstance(metadata, dict) else {}
    return tuple(_entry(each, sums) for each in file.tables("package"))


def _known(file: TomlFile) -> None:
    """Versions 1 and 2 do not say which they are."""
    version = file.values.get("version")
    if version is None or (isinstance(version, int) and 0 < version <= _NEWEST and version is not True):
        return
    problem = f"it is of version {str(version)[:20]}, and versions 1 to {_NEWEST} are read"
    raise file.bad(file.line_of("version"), problem, f"have a cargo write it that writes version {_NEWEST}")


def _entry(table: Table, sums: Mapping[str, Any]) -> Entry:
    name, version, source = table.text("name"), table.text("version"), table.maybe("source")
    checksum = table.maybe("checksum")
    if checksum is None and isinstance(found := sums.get(f"checksum {name} {version} ({source})"), str):
        checksum = found  # version 1
    needs = table.texts("dependencies")
    return Entry(name, version, source, checksum, needs, table.maybe("replace"), table.line)
