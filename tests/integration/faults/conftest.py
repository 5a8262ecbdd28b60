"""What the tests of faults share: a warm state folder, projects of their own, and overlays to harm."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from faulty import Place, Project, can_overlay, overlay

NAMES = ("steady", "clock", "broken", "large", "input", "killed")


@pytest.fixture(scope="session")
def warm_state(
    session_state: Path, repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """The shared state folder with toolchain and probe built, and a lock for the recipes used here."""
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
    return session_state, lock


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
