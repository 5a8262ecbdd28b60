"""What most integration tests begin with: a project of their own, on the tests' shared state folder."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from projects import Project
from states import stores_copied

if TYPE_CHECKING:
    from tests.conftest import TallyIn


@pytest.fixture
def project(tmp_path: Path, tally_in: TallyIn, repository: Path) -> Project:
    """A folder with recipes of its own, the repository's lock and a key."""
    return Project(tmp_path, tally_in(tmp_path), repository)


@pytest.fixture(scope="session")
def toolchain_state(
    session_state: Path, tmp_path_factory: pytest.TempPathFactory, tally_in: TallyIn, repository: Path
) -> Path:
    """A state folder whose stores have the smallest toolchain, and next to nothing that was built with it.

    All processes of one run have one: whoever is first makes it, and nobody changes it.
    """
    folder = tmp_path_factory.getbasetemp()
    state = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "toolchain"
    state.mkdir(exist_ok=True)
    made = state.with_suffix(".made")
    with state.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            if not (state / "sources").is_symlink():
                (state / "sources").symlink_to(session_state / "sources")
            own = tmp_path_factory.mktemp("first")
            first = Project(own, tally_in(own, TALLY_STATE=str(state)), repository)
            first.build(first.recipe("first", "mkdir $out"), key=False, more=("--no-sign",)).succeeded()
            made.touch()
    return state


@pytest.fixture
def new_state(toolchain_state: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of a test's own, whose stores know nothing of what is built elsewhere."""
    state = tmp_path_factory.mktemp("state")
    (state / "sources").symlink_to((toolchain_state / "sources").resolve())
    stores_copied(toolchain_state, state)
    return state
