"""What the tests of faults share: a warm state folder, projects of their own, and overlays to harm."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from faulty import Place, Project, can_overlay, overlay
from smallest import with_smallest
from states import sources_copied, stores_copied

from orchestrator.ground.files import make_removable

if TYPE_CHECKING:
    from tests.conftest import TallyIn

NAMES = ("steady", "clock", "broken", "large", "input", "killed")


@pytest.fixture(scope="session")
def warm_state(
    session_state: Path,
    toolchain_state: Path,
    repository: Path,
    tmp_path_factory: pytest.TempPathFactory,
    tally_in: TallyIn,
) -> Iterator[Path]:
    """A state folder of its own with toolchain and probe built; its sources are the shared one's.

    Nobody writes to it: what an overlay lies on must not change.
    """
    if not can_overlay():
        pytest.skip(
            "this machine mounts no overlay for us: faults are tried as root, or in a virtual machine"
        )
    project = make_project(tmp_path_factory.mktemp("warm"), repository)
    still = Path(tempfile.mkdtemp(prefix="still-", dir=session_state))  # links end where a file system does
    try:
        shared = still / "sources"
        shared.symlink_to(session_state / "sources")
        if still.stat().st_dev == toolchain_state.stat().st_dev:
            stores_copied(toolchain_state, still)
        building = tally_in(project.folder, TALLY_STATE=str(still))
        building("build", "--no-sign", project.recipe("steady")).succeeded()
        shared.unlink()
        sources_copied(session_state, still)
        yield still
    finally:
        make_removable(still)
        shutil.rmtree(still)


def make_project(folder: Path, repository: Path) -> Project:
    (folder / "recipes").mkdir(parents=True)
    (folder / "tally.lock").write_text(with_smallest(repository / "tally.lock", NAMES))
    return Project(folder)


@pytest.fixture
def project(tmp_path: Path, repository: Path, tally_in: TallyIn) -> Project:
    """A fresh project with its own key."""
    made = make_project(tmp_path / "project", repository)
    for name in NAMES:
        made.recipe(name)
    tally_in(made.folder)("keys", "generate", "release").succeeded()
    return made


@pytest.fixture
def place(warm_state: Path, project: Project, tmp_path: Path) -> Iterator[Place]:
    """An overlay of the warm state, and the project that commands run in."""
    with overlay(warm_state, tmp_path, project.folder) as made:
        yield made
