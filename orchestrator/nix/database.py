"""What the database of a store on this machine says of its paths, read without a process of Nix.

Each process of Nix takes 25 ms of CPU time, and a build asks some twenty times. The tables are those of
Nix's schema 10 (`nix/var/nix/db/schema`), which every version from 2.0 to 2.34 has. Of any other database,
and of one that cannot be read, nothing is told here: Nix is asked then.

The store may be anybody's. So only tables are read, for a while, in pieces of some size, from files. What
would have Nix wait or grow without an end is refused, and Nix is not asked.
"""

from __future__ import annotations

import stat
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from orchestrator.ground.digest import NarHash
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import contents, shown
from orchestrator.nix.storepath import is_store_path

if TYPE_CHECKING:
    from sqlite3 import Connection

_FOLDER: Final = "nix/var/nix/db"
_SCHEMA = b"10"
_FILES: Final = ("schema", "db.sqlite", "db.sqlite-wal", "db.sqlite-shm", "db.sqlite-journal")
_TABLES: Final = ("validpaths", "refs", "derivationoutputs")
_WAIT = 60.0  # seconds for another process that has it locked
_LOOK_AGAIN = 0.02
_LONGEST = 300.0  # seconds for one statement: a closure of 100,000 paths takes about one
_LARGEST = 16 << 20  # bytes of one value or row: 100,000 signatures of a path have 10 MB
_REFERRING = 10_000_000  # references in one closure; that of 100,000 paths has some 600,000
_STEPS = 20_000  # of SQLite's machine, some ms, before somebody looks at the clock and hears Ctrl-C
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
        told: dict[str, tuple[object, ...]] = {}
        for path, *columns in database.execute(_PATHS.format(wanted), some):
            if path in told:
                raise _refused(root, f"its database has {shown(Path(str(path)))} twice")
            told[path] = tuple(columns)
        names = {path: path for path in told}
        references: dict[str, list[str]] = {path: [] for path in names}
        for number, (path, reference) in enumerate(database.execute(_REFERENCES.format(wanted), some)):
            if number == _REFERRING:
                raise _refused(root, f"its database has more than {_REFERRING:,} references")
            if reference != path:
                references[path].append(names.setdefault(reference, reference))
        if not all(map(is_store_path, names)):
            raise ValueError
        for path, values in told.items():
            found[path] = _row(references[path], *values)

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


def _row(
    references: list[str],
    digest: object,
    size: object,
    deriver: object,
    signatures: object,
    ultimate: object,
) -> Row:
    """Raises ValueError for what no Nix writes: SQLite keeps any type in any column."""
    if not (
        isinstance(digest, str)
        and digest.startswith(_HASH)
        and isinstance(size, int)
        and size >= 0
        and (deriver is None or (isinstance(deriver, str) and (deriver == "" or is_store_path(deriver))))
        and isinstance(signatures, str | None)
    ):
        raise ValueError
    return Row(
        NarHash(digest.removeprefix(_HASH)),
        size,
        tuple(sorted(set(references))),
        deriver or None,
        tuple((signatures or "").split()),
        bool(ultimate),
    )


def is_known(root: Path) -> bool:
    """Whether the store at `root` is one that Nix opens as it is: of another schema, it makes this one."""
    try:
        return contents(root / _FOLDER / "schema", 64).strip() == _SCHEMA
    except (OSError, ValueError):
        return False


def _asked(root: Path, paths: Collection[str], read: Callable[[Connection, list[str]], None]) -> bool:
    """Whether the database could be read: some of `paths` at a time. Raises TallyError for no store's."""
    import sqlite3  # 1 MB, and most commands read none

    items = sorted(set(paths))
    _refuse_others(root)
    if not is_known(root):
        return False
    address = f"{(root / _FOLDER / 'db.sqlite').absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(address, timeout=0, uri=True)) as database:
            database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST)
            _patiently(root, database, lambda: _refuse_views(root, database))
            for start in range(0, len(items), _TOGETHER):
                some = items[start : start + _TOGETHER]
                _patiently(root, database, lambda some=some: read(database, some))  # type: ignore[misc]
    except sqlite3.DataError as error:
        raise _refused(root, f"its database holds values of more than {_LARGEST >> 20} MiB") from error
    except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError, sqlite3.Error):
        return False
    return True


def _refused(root: Path, why: str) -> TallyError:
    return TallyError(
        f"the store {shown(root)} cannot be read: {why}",
        hint=f"no Nix leaves it so: see `nix-store --verify --store {shown(root)}`, or name another store",
    )


def _refuse_others(root: Path) -> None:
    """Raises TallyError where something else than a file would be opened: a pipe may have no writer."""
    for name in _FILES:
        file = root / _FOLDER / name
        try:
            mode = file.stat().st_mode
        except (OSError, ValueError):
            continue  # it is told when it is read
        if not stat.S_ISREG(mode):
            raise _refused(root, f"{shown(file)} is no file")


def _refuse_views(root: Path, database: Connection) -> None:
    """Raises TallyError for a view in place of a table, or what computes one: it may never end."""
    database.execute("pragma trusted_schema = off")
    marks = ",".join("?" * len(_TABLES))
    asked = f"select name, type, sql from sqlite_master where lower(name) in ({marks})"
    for name, kind, made_by in database.execute(asked, _TABLES):
        if kind != "table" or "virtual" in str(made_by).lower().split()[:2]:
            raise _refused(root, f"{name} in its database is no table")


def _patiently(root: Path, database: Connection, ask: Callable[[], None]) -> None:
    """Ask, and again while another process has the database locked. Raises TallyError after a while."""
    import sqlite3

    given_up = time.monotonic() + _WAIT
    while True:
        until = time.monotonic() + _LONGEST
        database.set_progress_handler(lambda until=until: time.monotonic() > until, _STEPS)  # type: ignore[misc]
        try:
            ask()
        except sqlite3.OperationalError as error:
            if "interrupted" in str(error):
                if time.monotonic() > until:
                    raise _refused(root, f"its database gave no answer in {_LONGEST:.0f} s") from error
                raise KeyboardInterrupt from None  # which came within our function, where SQLite dropped it
            if "locked" not in str(error):
                raise
            if time.monotonic() > given_up:
                raise TallyError(
                    f"another process has the database of the store {shown(root)} locked for {_WAIT:.0f} s",
                    hint="wait until it is done, or end it: `fuser "
                    f"{shown(root / _FOLDER / 'db.sqlite')}` tells which one it is",
                ) from error
        else:
            return
        time.sleep(_LOOK_AGAIN)
