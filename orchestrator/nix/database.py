"""What the database of a store on this machine says of its paths, read without a process of Nix.

Each process of Nix takes 25 ms of CPU time, and a build asks some twenty times. The tables are those of
Nix's schema 10 (`nix/var/nix/db/schema`), which every version from 2.0 to 2.34 has. Of any other database,
and of one that cannot be read, nothing is told here: Nix is asked then.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from orchestrator.ground.digest import NarHash
from orchestrator.ground.files import contents

_SCHEMA = b"10"
_WAIT = 60.0  # seconds for another process that has it locked
_TOGETHER = 500  # variables of one statement; SQLite takes 999
_HASH = "sha256:"


@dataclass(frozen=True, slots=True)
class Row:
    """One valid path."""

    nar_hash: NarHash
    nar_size: int
    references: tuple[str, ...]
    """Without the path itself, sorted."""


def valid(root: Path, paths: Collection[str]) -> set[str] | None:
    """Those of `paths` that the chroot store at `root` holds; None: Nix has to be asked."""
    found = _asked(root, "select path, path from ValidPaths where path in ({})", paths)
    return None if found is None else {path for path, _ in found}


def rows(root: Path, paths: Collection[str]) -> Mapping[str, Row] | None:
    """What it holds of each of `paths`; None: Nix has to be asked, as where one of them is not valid."""
    known = _asked(root, "select path, hash || ' ' || narSize from ValidPaths where path in ({})", paths)
    told = _asked(
        root,
        "select a.path, b.path from Refs join ValidPaths a on a.id = referrer "
        "join ValidPaths b on b.id = reference where a.path in ({})",
        paths,
    )
    if known is None or told is None or len(known) < len(set(paths)):
        return None
    references: dict[str, set[str]] = {path: set() for path in paths}
    for path, reference in told:
        references[path].add(reference)
    found = {}
    for path, said in known:
        digest, _, size = said.partition(" ")
        if not digest.startswith(_HASH):
            return None
        try:
            row = Row(
                NarHash(digest.removeprefix(_HASH)), int(size), tuple(sorted(references[path] - {path}))
            )
        except ValueError:
            return None
        found[path] = row
    return found


def _asked(root: Path, statement: str, paths: Collection[str]) -> list[tuple[str, str]] | None:
    import sqlite3  # 1 MB, and `tally sbom` asks Nix

    folder = root / "nix/var/nix/db"
    items = sorted(set(paths))
    found: list[tuple[str, str]] = []
    try:
        if contents(folder / "schema", 64).strip() != _SCHEMA:
            return None
        address = f"{(folder / 'db.sqlite').absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, timeout=_WAIT, uri=True)) as database:
            for start in range(0, len(items), _TOGETHER):
                some = items[start : start + _TOGETHER]
                asked = statement.format(",".join("?" * len(some)))
                found += [(str(path), str(said)) for path, said in database.execute(asked, some)]
    except (OSError, ValueError, sqlite3.Error):
        return None
    return found
