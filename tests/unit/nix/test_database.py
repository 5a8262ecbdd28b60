"""What a store's database says, read without Nix. That Nix says the same: integration/test_believed.py."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from releases import nar, store_path

from orchestrator.nix import database

LIBRARY, PROGRAM, OTHER = store_path("library-1.0"), store_path("it's a %program"), store_path("other")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store in a folder whose name has to be escaped in an address."""
    root = tmp_path / "a store? 100%#1"
    folder = root / "nix/var/nix/db"
    folder.mkdir(parents=True)
    (folder / "schema").write_text("10")
    with closing(sqlite3.connect(folder / "db.sqlite")) as made, made:
        made.execute(
            "create table ValidPaths (id integer primary key, path text, hash text, narSize integer)"
        )
        made.execute("create table Refs (referrer integer, reference integer)")
        for number, path in enumerate((LIBRARY, PROGRAM)):
            values = (number, path, f"sha256:{nar(path).hex}", 120 + number)
            made.execute("insert into ValidPaths values (?, ?, ?, ?)", values)
        made.executemany("insert into Refs values (?, ?)", [(1, 0), (1, 1), (0, 0)])
    return root


def test_what_is_valid_is_told(root: Path) -> None:
    many = [store_path(str(number)) for number in range(2000)]
    assert database.valid(root, [LIBRARY, OTHER, *many]) == {LIBRARY}
    found = database.rows(root, [PROGRAM, LIBRARY])
    assert found is not None
    assert found[PROGRAM] == database.Row(nar(PROGRAM), 121, (LIBRARY,))
    assert found[LIBRARY] == database.Row(nar(LIBRARY), 120, ())


def test_nix_is_asked_where_the_database_is_not_known(root: Path, tmp_path: Path) -> None:
    assert database.rows(root, [LIBRARY, OTHER]) is None, "Nix has its own words for what is not valid"
    assert database.valid(tmp_path, [LIBRARY]) is None
    file = root / "nix/var/nix/db/db.sqlite"
    with closing(sqlite3.connect(file)) as changed, changed:
        changed.execute("update ValidPaths set hash = 'sha256:short'")
    assert database.rows(root, [LIBRARY]) is None
    (root / "nix/var/nix/db/schema").write_text("11")
    assert database.valid(root, [LIBRARY]) is None
    (root / "nix/var/nix/db/schema").write_text("10")
    file.write_bytes(b"no database at all" * 1000)
    assert database.valid(root, [LIBRARY]) is None
    assert database.rows(root, [LIBRARY]) is None
