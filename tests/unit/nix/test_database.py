"""What a store's database says, read without Nix. That Nix says the same: integration/test_believed.py."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from releases import nar, store_path

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
