"""What the database of a store on this machine says of its paths, read without a process of Nix.

Each process of Nix takes 25 ms of CPU time, and a build asks some twenty times. The tables are those of
Nix's schema 10 (`nix/var/nix/db/schema`), which every version from 2.0 to 2.34 has. Of any other database,
and of one that cannot be read, nothing is told here: Nix is asked then.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.ground.digest import NarHash
from orchestrator.ground.files import contents
from orchestrator.nix.storepath import is_store_path

if TYPE_CHECKING:
    from sqlite3 import Connection

_SCHEMA = b"10"
_WAIT = 60.0  # seconds for another process that has it locked
_TOGETHER = 500  # variables of one statement; SQLite takes 999
_HASH = "sha256:"
_THESE = "select id from ValidPaths where path in ({})"
_CLOSURE = f"{_THESE} union select reference from Refs join wanted on referrer = wanted.id"
_PATHS = (
    "with recursive wanted(id) as ({}) select path, hash, narSize, deriver, sigs, ultimate "
    "from ValidPaths where id in wanted"
)
_REFERENCES = (
    "with recursive wanted(id) as ({}) select a.path, b.path from Refs join ValidPaths a on a.id = referrer "
    "join ValidPaths b on b.id = reference where referrer in wanted"
)


@dataclass(frozen=True, slots=True)
class Row:
    """One valid path."""

    nar_hash: NarHash
    nar_size: int
    references: tuple[str, ...]
    """Without the path itself, sorted."""
    deriver: str | None = None
    """The `.drv` that made it, as far as the store knows."""
    signatures: tuple[str, ...] = ()
    """`NAME:BASE64` each, unchecked."""
    ultimate: bool = False
    """Built there, as opposed to copied or substituted from elsewhere."""


def valid(root: Path, paths: Collection[str]) -> set[str] | None:
    """Those of `paths` that the chroot store at `root` holds; None: Nix has to be asked."""
    found: set[str] = set()

    def read(database: Connection, some: list[str]) -> None:
        asked = f"select path from ValidPaths where path in ({_marks(some)})"
        found.update(path for (path,) in database.execute(asked, some))

    return found if _asked(root, paths, read) else None


def rows(root: Path, paths: Collection[str], *, closure: bool = False) -> Mapping[str, Row] | None:
    """What it holds of those of `paths` that are valid, and with `closure` of all that they refer to.

    None: Nix has to be asked.
    """
    found: dict[str, Row] = {}

    def read(database: Connection, some: list[str]) -> None:
        wanted = (_CLOSURE if closure else _THESE).format(_marks(some))
        told = database.execute(_PATHS.format(wanted), some).fetchall()
        names = {path: path for path, *_ in told}
        references: dict[str, list[str]] = {path: [] for path in names}
        for path, reference in database.execute(_REFERENCES.format(wanted), some):
            if reference != path:
                references[path].append(names.setdefault(reference, reference))
        if not all(map(is_store_path, names)):
            raise ValueError
        for path, digest, size, deriver, signatures, ultimate in told:
            row = _row(digest, size, references[path], deriver, signatures)
            found[path] = replace(row, ultimate=bool(ultimate))

    return found if _asked(root, paths, read) else None


def makers(root: Path, paths: Collection[str]) -> set[str] | None:
    """The derivations it holds that have one of `paths` for an output; None: Nix has to be asked."""
    found: set[str] = set()

    def read(database: Connection, some: list[str]) -> None:
        asked = (
            "select d.path from DerivationOutputs o join ValidPaths d on d.id = o.drv "
            f"where o.path in ({_marks(some)})"
        )
        found.update(path for (path,) in database.execute(asked, some))

    return found if _asked(root, paths, read) else None


def _marks(some: Collection[str]) -> str:
    return ",".join("?" * len(some))


def _row(digest: str, size: int, references: list[str], deriver: str | None, signatures: str | None) -> Row:
    """Raises ValueError for what no Nix writes."""
    if not digest.startswith(_HASH) or (deriver and not is_store_path(deriver)):
        raise ValueError
    return Row(
        NarHash(digest.removeprefix(_HASH)),
        int(size),
        tuple(sorted(references)),
        deriver or None,
        tuple((signatures or "").split()),
    )


def _asked(root: Path, paths: Collection[str], read: Callable[[Connection, list[str]], None]) -> bool:
    """Whether the database could be read: some of `paths` at a time."""
    import sqlite3  # 1 MB, and most commands read none

    folder = root / "nix/var/nix/db"
    items = sorted(set(paths))
    try:
        if contents(folder / "schema", 64).strip() != _SCHEMA:
            return False
        address = f"{(folder / 'db.sqlite').absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, timeout=_WAIT, uri=True)) as database:
            for start in range(0, len(items), _TOGETHER):
                read(database, items[start : start + _TOGETHER])
    except (OSError, ValueError, TypeError, KeyError, AttributeError, sqlite3.Error):
        return False
    return True
