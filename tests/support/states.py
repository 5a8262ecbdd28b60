"""Copies of state folders by hard links: a toolchain is assembled once, and each test has its own stores."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

from orchestrator.ground.digest import Sha256

DATABASE, SCHEMA = "var/nix/db/db.sqlite", "var/nix/db/schema"


def sources_copied(state: Path, to: Path) -> None:
    """The sources that are whole."""
    (to / "sources").mkdir()
    whole = [each.name for each in (state / "sources").iterdir() if len(each.name) == len(Sha256.of(b"").hex)]
    linked(whole, state / "sources", to / "sources")


STORES = ("a", "b", "orchestrator")


def stores_copied(state: Path, to: Path, stores: Sequence[str] = STORES) -> None:
    """What is valid in its stores, by their databases as they are between two transactions."""
    for store in stores:
        theirs, ours = state / "stores" / store / "nix", to / "stores" / store / "nix"
        for folder in ("var/nix/db", "store"):
            (ours / folder).mkdir(parents=True)
        with (
            closing(sqlite3.connect(theirs / DATABASE)) as connection,
            closing(sqlite3.connect(ours / DATABASE)) as copy,
        ):
            connection.backup(copy)
            valid = [Path(path).name for (path,) in copy.execute("select path from ValidPaths")]
        shutil.copy(theirs / SCHEMA, ours / SCHEMA)
        linked(valid, theirs / "store", ours / "store")


def linked(names: Sequence[str], folder: Path, to: Path) -> None:
    words = ["xargs", "cp", "--archive", "--link", "--target-directory", str(to)]
    subprocess.run(words, input="\n".join(names), text=True, cwd=folder, check=True)


def files_with(word: bytes, *folders: Path) -> list[Path]:
    """The files in these folders that hold the word. Others may write there, and take away what is theirs."""
    found = []
    for path in (Path(root, name) for each in folders for root, _, names in os.walk(each) for name in names):
        with suppress(FileNotFoundError):
            if word in path.read_bytes():
                found.append(path)
    return found
