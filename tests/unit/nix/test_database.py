"""What a store's database says, read without Nix. That Nix says the same: integration/test_believed.py."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from releases import nar, store_path

from orchestrator.ground.errors import TallyError
from orchestrator.nix import closures, database
from orchestrator.nix.command import Nix
from orchestrator.nix.entry import Entry

LIBRARY, PROGRAM, OTHER = store_path("library-1.0"), store_path("program-1.0"), store_path("other")
MADE_BY = store_path("program-1.0.drv")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store in a folder whose name has to be escaped in an address."""
    root = tmp_path / "a store? 100%#1"
    folder = root / "nix/var/nix/db"
    folder.mkdir(parents=True)
    (folder / "schema").write_text("10")
    with closing(sqlite3.connect(folder / "db.sqlite")) as made, made:
        made.execute(
            "create table ValidPaths (id integer primary key, path text, hash text, narSize integer, "
            "deriver text, sigs text, ultimate integer)"
        )
        made.execute("create table Refs (referrer integer, reference integer)")
        for number, path in enumerate((LIBRARY, PROGRAM)):
            told = (MADE_BY, "b-1:yy a-1:xx b-1:zz", 1) if path == PROGRAM else (None, "", None)
            values = (number, path, f"sha256:{nar(path).hex}", 120 + number, *told)
            made.execute("insert into ValidPaths values (?, ?, ?, ?, ?, ?, ?)", values)
        made.executemany("insert into Refs values (?, ?)", [(1, 0), (1, 1), (0, 0)])
    return root


def test_what_is_valid_is_told(root: Path) -> None:
    many = [store_path(str(number)) for number in range(2000)]
    assert database.valid(root, [LIBRARY, OTHER, *many]) == {LIBRARY}
    program = database.Row(nar(PROGRAM), 121, (LIBRARY,), MADE_BY, ("b-1:yy", "a-1:xx", "b-1:zz"), True)
    library = database.Row(nar(LIBRARY), 120, ())
    assert database.rows(root, [PROGRAM, OTHER, *many]) == {PROGRAM: program}
    assert database.rows(root, [PROGRAM], closure=True) == {PROGRAM: program, LIBRARY: library}
    assert database.rows(root, [LIBRARY], closure=True) == {LIBRARY: library}


def test_a_store_is_told_of_without_nix(root: Path, tmp_path: Path) -> None:
    nix = Nix("2.8", tmp_path / "nowhere")
    program = Entry(PROGRAM, nar(PROGRAM), (LIBRARY,), MADE_BY, ("a-1", "b-1"))
    library = Entry(LIBRARY, nar(LIBRARY), (), None)
    assert closures.known(nix, "x", root, [PROGRAM, OTHER]) == {PROGRAM: program}
    assert closures.closure(nix, "x", root, [PROGRAM]) == {PROGRAM: program, LIBRARY: library}


@pytest.mark.parametrize(
    "change",
    [
        "update ValidPaths set hash = 'sha256:short'",
        "update ValidPaths set hash = x'00'",
        "update ValidPaths set narSize = 'many'",
        "update ValidPaths set deriver = '/etc/passwd'",
        "update ValidPaths set narSize = 9e999",
        "update ValidPaths set narSize = '1_2'",
        "update ValidPaths set narSize = -5",
        "update ValidPaths set sigs = x'6162203a'",
        "update ValidPaths set path = path || '/../x' where id = 0",
        "drop table Refs",
    ],
)
def test_nix_is_asked_where_no_nix_wrote_what_is_there(root: Path, change: str) -> None:
    with closing(sqlite3.connect(root / "nix/var/nix/db/db.sqlite")) as changed, changed:
        changed.execute(change)
    assert database.rows(root, [PROGRAM, LIBRARY], closure=True) is None


def test_nix_is_asked_where_the_database_is_not_known(root: Path, tmp_path: Path) -> None:
    assert database.valid(tmp_path, [LIBRARY]) is None
    schema, file = root / "nix/var/nix/db/schema", root / "nix/var/nix/db/db.sqlite"
    schema.write_text("11")
    assert database.valid(root, [LIBRARY]) is None
    schema.write_text("10")
    file.write_bytes(b"no database at all" * 1000)
    assert database.valid(root, [LIBRARY]) is None
    assert database.rows(root, [LIBRARY]) is None


ENDLESS = "with recursive c(x) as (select 1 union all select x + 1 from c)"
VIEW = (
    "alter table ValidPaths rename to Was",
    f"create view ValidPaths as {ENDLESS} select Was.* from Was, c",
)
LIES = {
    "a view that never ends": (VIEW, "ValidPaths in its database is no table"),
    "a table that a module makes": (
        ("alter table Refs rename to Was", "create virtual table Refs using fts4(referrer, reference)"),
        "Refs in its database is no table",
    ),
    "one path twice": (
        ("insert into ValidPaths select 7, path, hash, 1, null, null, 1 from ValidPaths where id = 0",),
        "twice",
    ),
    "a value without an end": (("update ValidPaths set sigs = zeroblob(17000000)",), "of more than 16 MiB"),
}


@pytest.mark.parametrize("name", LIES)
def test_a_lying_database_is_refused_and_not_given_to_nix(root: Path, name: str) -> None:
    changes, told = LIES[name]
    with closing(sqlite3.connect(root / "nix/var/nix/db/db.sqlite")) as changed, changed:
        for change in changes:
            changed.execute(change)
    with pytest.raises(TallyError, match=told) as refused:
        database.rows(root, [PROGRAM, LIBRARY], closure=True)
    assert "nix-store --verify --store" in str(refused.value.hint)


@pytest.mark.parametrize("name", ["schema", "db.sqlite", "db.sqlite-journal", "db.sqlite-wal"])
def test_a_pipe_is_not_waited_for(root: Path, name: str) -> None:
    file = root / "nix/var/nix/db" / name
    file.unlink(missing_ok=True)
    os.mkfifo(file)
    with pytest.raises(TallyError, match=f"{name} is no file"):
        database.valid(root, [PROGRAM])


def test_a_statement_ends_when_time_is_up_or_somebody_interrupts(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spin(database: sqlite3.Connection, some: list[str]) -> None:
        database.execute(f"{ENDLESS} select count(*) from c").fetchall()

    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            database._asked(root, [PROGRAM], spin)
    finally:
        signal.signal(signal.SIGALRM, before)
    monkeypatch.setattr(database, "_LONGEST", 0.0)
    with pytest.raises(TallyError, match="gave no answer in 0 s"):
        database._asked(root, [PROGRAM], spin)


def test_a_locked_database_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_WAIT", 0.0)
    with closing(sqlite3.connect(root / "nix/var/nix/db/db.sqlite")) as holder:
        holder.execute("begin exclusive")
        with pytest.raises(TallyError, match="another process has the database") as refused:
            database.valid(root, [PROGRAM])
    assert "fuser" in str(refused.value.hint)
