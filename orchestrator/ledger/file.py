"""The ledger's file: opened, made, upgraded; refused where it is another's, newer or damaged."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import cannot_write, shown, sync_folder
from orchestrator.ledger.schema import APPLICATION, SCHEMA, UPGRADES, VERSION

if TYPE_CHECKING:
    from sqlite3 import Connection

_BESIDE: Final = ("-wal", "-shm", "-journal")
_WAIT = 60.0  # seconds for another process that writes; each writes for some ms at a time


class Damaged(TallyError):
    """The file cannot be read as what it was: nothing that it says counts."""

    def __init__(self, path: Path, why: str) -> None:
        self.path = path
        super().__init__(
            f"the ledger {shown(path)} is damaged: {why}",
            hint="`tally ledger repair` moves it aside and makes a new one of the releases that are signed",
        )


@contextmanager
def as_written(path: Path) -> Iterator[None]:
    """While values are read that SQLite takes for any: one that we never write is told as Damaged."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise Damaged(path, f"it has a value that is none of ours: {error}") from error


@contextmanager
def opened(
    path: Path, *, write: bool = False, check: bool = False, wait: float = _WAIT
) -> Iterator[Connection]:
    """A connection; made, where there is none, only to `write`. Raises TallyError; Damaged, where it is that.

    `check`: the whole file is looked at before anything is done with it.

    What is written is on the disk when its transaction ends, and a process that is killed leaves the file as
    it was after the last one that ended (SQLite's write-ahead log).
    """
    import sqlite3  # 1 MB, and most commands read none

    if not write and not os.path.lexists(path):
        raise TallyError(
            f"there is no ledger yet: {shown(path)}", hint="`tally build` begins it with its first run"
        )
    with _judged(path, wait), closing(sqlite3.connect(path, timeout=wait, isolation_level=None)) as database:
        database.execute("pragma trusted_schema = off")
        database.execute("pragma foreign_keys = on")
        _prepare(path, database, write=write)
        if check:
            found = database.execute("pragma quick_check(1)").fetchone()[0]
            if found != "ok":
                raise Damaged(path, str(found).splitlines()[-1])
        yield database


@contextmanager
def transaction(database: Connection) -> Iterator[None]:
    """All of it or nothing. Others that write wait meanwhile; those that read do not."""
    database.execute("begin immediate")
    try:
        yield
    except BaseException:
        if database.in_transaction:
            database.execute("rollback")
        raise
    database.execute("commit")


def set_aside(path: Path) -> Path:
    """Move a damaged file, with what SQLite has beside it, to a name of its own; gives that."""
    time = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    for number in range(1, 1000):
        aside = path.with_name(f"{path.name}.damaged-{time}{'' if number == 1 else f'-{number}'}")
        if not os.path.lexists(aside):
            break
    try:
        for end in _BESIDE:
            if os.path.lexists(beside := path.with_name(path.name + end)):
                beside.rename(aside.with_name(aside.name + end))
        path.rename(aside)  # last: a rerun after a kill finds the damaged file again
        sync_folder(path.parent)
    except OSError as error:
        raise cannot_write(aside, error) from error
    return aside


def _prepare(path: Path, database: Connection, *, write: bool) -> None:
    version, application = _pragma(database, "user_version"), _pragma(database, "application_id")
    if version == 0 and application == 0 and not _has_tables(database):
        if not write:
            raise TallyError(f"the ledger {shown(path)} is empty", hint="the next `tally build` fills it")
        _log_ahead(database)
        with transaction(database):
            if not _has_tables(database):  # another run may have made them meanwhile
                for statement in filter(str.strip, SCHEMA.split(";\n")):
                    database.execute(statement)
                database.execute(f"pragma application_id = {APPLICATION}")
                database.execute(f"pragma user_version = {VERSION}")
        return
    if application != APPLICATION:
        raise TallyError(
            f"{shown(path)} is no ledger of ours: another program's database has its name",
            hint="move it away; the next `tally build` makes one",
        )
    if version > VERSION:
        raise TallyError(
            f"the ledger {shown(path)} is of version {version}, and this tally knows {VERSION} at most",
            hint="use the newer tally that wrote it, or name another state folder with TALLY_STATE",
        )
    if write or version < VERSION:
        _log_ahead(database)
        for number in range(version, VERSION):
            with transaction(database):
                for statement in filter(str.strip, UPGRADES[number].split(";\n")):
                    database.execute(statement)
                database.execute(f"pragma user_version = {number + 1}")


def _log_ahead(database: Connection) -> None:
    database.execute("pragma journal_mode = wal")
    database.execute("pragma synchronous = full")  # a finished run is not lost with the power


def _pragma(database: Connection, name: str) -> int:
    return int(database.execute(f"pragma {name}").fetchone()[0])


def _has_tables(database: Connection) -> bool:
    return database.execute("select 1 from sqlite_master limit 1").fetchone() is not None


@contextmanager
def _judged(path: Path, wait: float) -> Iterator[None]:
    """SQLite's errors in our words."""
    import sqlite3

    try:
        yield
    except sqlite3.OperationalError as error:
        said = str(error)
        if "locked" in said:
            raise TallyError(
                f"another process has the ledger {shown(path)} locked for {wait:.0f} s",
                hint=f"wait until it is done, or end it: `fuser {shown(path)}` tells which one it is",
            ) from error
        if "full" in said:
            raise TallyError(
                f"cannot write the ledger {shown(path)}: {said}", hint="free some space on its disk"
            ) from error
        if "no such" in said:  # a table or a column
            raise Damaged(path, said) from error
        raise TallyError(
            f"the ledger {shown(path)} cannot be used: {said}",
            hint="see that you can read and write it, and that there is space on its disk",
        ) from error
    except sqlite3.DatabaseError as error:
        raise Damaged(path, str(error)) from error
