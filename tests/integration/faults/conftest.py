"""What the tests of faults share: a warm state folder, projects of their own, and overlays to harm."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from faulty import Place, Project, can_overlay, overlay

from orchestrator.ground.digest import Sha256
from orchestrator.ground.files import make_removable

DATABASE, SCHEMA = "var/nix/db/db.sqlite", "var/nix/db/schema"
NAMES = ("steady", "clock", "broken", "large", "input", "killed")


@pytest.fixture(scope="session")
def warm_state(
    session_state: Path, repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, Path]]:
    """A copy of the shared state folder with toolchain and probe built, and a lock for the recipes used here.

    Nobody writes to it: what an overlay lies on must not change, and others build in the shared one.
    """
    if not can_overlay():
        pytest.skip(
            "this machine mounts no overlay for us: faults are tried as root, or in a virtual machine"
        )
    folder = tmp_path_factory.mktemp("warm")
    lock = make_project(folder, repository, session_state)
    environment = {**os.environ, "TALLY_STATE": str(session_state)}
    for words in (["lock"], ["build", "--no-sign", "recipes/steady.toml"]):
        subprocess.run(
            [sys.executable, "-m", "orchestrator.cli", *words], cwd=folder, env=environment, check=True
        )
    still = Path(tempfile.mkdtemp(prefix="still-", dir=session_state))  # links end where a file system does
    try:
        copied(session_state, still)
        yield still, lock
    finally:
        make_removable(still)
        shutil.rmtree(still)


def copied(state: Path, to: Path) -> None:
    """What is whole of sources and stores, by links; their databases as they are between two transactions."""
    (to / "sources").mkdir()
    whole = [each.name for each in (state / "sources").iterdir() if len(each.name) == len(Sha256.of(b"").hex)]
    linked(whole, state / "sources", to / "sources")
    for store in ("a", "b", "orchestrator"):
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


def make_project(folder: Path, repository: Path, state: Path) -> Path:
    (folder / "recipes").mkdir()
    (folder / "tally.lock").write_bytes((repository / "tally.lock").read_bytes())
    for name in NAMES:
        Project(folder).recipe(name)
    return folder / "tally.lock"


@pytest.fixture
def project(warm_state: tuple[Path, Path], tmp_path: Path) -> Project:
    """A fresh project with its own key."""
    folder = tmp_path / "project"
    (folder / "recipes").mkdir(parents=True)
    (folder / "tally.lock").write_bytes(warm_state[1].read_bytes())
    for name in NAMES:
        Project(folder).recipe(name)
    subprocess.run(
        [sys.executable, "-m", "orchestrator.cli", "keys", "generate", "release"], cwd=folder, check=True
    )
    return Project(folder)


@pytest.fixture
def place(warm_state: tuple[Path, Path], project: Project, tmp_path: Path) -> Iterator[Place]:
    """An overlay of the warm state, and the project that commands run in."""
    with overlay(warm_state[0], tmp_path, project.folder) as made:
        yield made
