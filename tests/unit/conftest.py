"""Where unit tests have their folders."""

from __future__ import annotations

import copy
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")
ROOM = 2 << 30
"""Bytes that it has to have, many times what tests in progress take."""


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


def has_room(folder: Path) -> bool:
    """Whether folders can be made there, programs run from there, and there is room."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return False
    mounted_for_programs = not disk.f_flag & os.ST_NOEXEC
    return os.access(folder, os.W_OK) and mounted_for_programs and disk.f_bavail * disk.f_frsize >= ROOM
