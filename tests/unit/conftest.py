"""Where unit tests have their folders."""

from __future__ import annotations

import copy
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from shm import MEMORY, has_room

settings.register_profile("without a clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("without a clock")  # beside other work, examples take whatever they take


@pytest.fixture(scope="session")
def tmp_path_factory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pytest.TempPathFactory]:
    """Folders on the memory disk in a run on all cores: a log that syncs its entries waits for no disk then.

    They end with the tests. Elsewhere, and in a run by one process, they are pytest's own, kept to look at.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ or not has_room(MEMORY):
        yield tmp_path_factory
        return
    folder = Path(tempfile.mkdtemp(prefix="tally-tests-", dir=MEMORY))
    in_memory = copy.copy(tmp_path_factory)
    in_memory._basetemp, in_memory._retention_policy = folder, "failed"
    try:
        yield in_memory
    finally:
        shutil.rmtree(folder, ignore_errors=True)
