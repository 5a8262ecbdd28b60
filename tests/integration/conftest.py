"""What most integration tests begin with: a project of their own, on the tests' shared state folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from projects import Project

if TYPE_CHECKING:
    from tests.conftest import TallyIn


@pytest.fixture
def project(tmp_path: Path, tally_in: TallyIn, repository: Path) -> Project:
    """A folder with recipes of its own, the repository's lock and a key."""
    return Project(tmp_path, tally_in(tmp_path), repository)
