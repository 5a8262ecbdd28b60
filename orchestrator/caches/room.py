"""Whether a disk has room for what comes from a cache."""

from __future__ import annotations

import shutil
from pathlib import Path

_LEAST, _MOST = 64 << 20, 1 << 30


def lacking(folder: Path, size: int) -> str | None:
    """Why NARs of `size` bytes together cannot be unpacked on the disk of a folder; None: they can.

    Twice, since a NAR lies beside what it is unpacked to until Nix has it. A quarter of that stays free, in
    bounds: a store needs room for more than its paths, as for its database's journals.
    """
    needed = 2 * size
    reserve = min(max(needed // 4, _LEAST), _MOST)
    free = shutil.disk_usage(folder).free
    if needed + reserve <= free:
        return None
    return (
        f"{_mib(needed)} are needed for a while, {_mib(reserve)} of the disk stay free, and {folder} "
        f"has {_mib(free)} free"
    )


def _mib(size: int) -> str:
    return f"{size / (1 << 20):.1f} MiB"
