"""Folders on the memory disk, for what is written and soon gone: a disk would take the longest part of it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEMORY = Path("/dev/shm")
ROOM = 2 << 30
"""Bytes that it has to have, many times what tests in progress take."""


def has_room(folder: Path) -> bool:
    """Whether folders can be made there, programs run from there, and there is room."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return False
    mounted_for_programs = not disk.f_flag & os.ST_NOEXEC
    return os.access(folder, os.W_OK) and mounted_for_programs and disk.f_bavail * disk.f_frsize >= ROOM


@contextmanager
def folder() -> Iterator[Path]:
    """One in memory where there is room, else on the disk; it ends with the block."""
    place = MEMORY if has_room(MEMORY) else None
    with tempfile.TemporaryDirectory(prefix="tally-tests-", dir=place) as made:
        yield Path(made)
