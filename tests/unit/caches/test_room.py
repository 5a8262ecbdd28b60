"""How much of a disk has to be free before something is taken from a cache."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from orchestrator.caches.room import lacking

MIB = 1 << 20


@pytest.mark.parametrize(
    ("free", "size", "fits"),
    [
        (700 * MIB, 128, True),
        (64 * MIB, 128, False),
        (65 * MIB, 128, True),
        (300 * MIB, 118 * MIB, True),
        (300 * MIB, 121 * MIB, False),
        (21 << 30, 10 << 30, True),
        (21 << 30, (10 << 30) + 1, False),
    ],
)
def test_the_reserve_follows_what_is_needed(
    free: int, size: int, fits: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = shutil.disk_usage(tmp_path)._replace(free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: room)
    why = lacking(tmp_path, size)
    assert (why is None) == fits
    if why is not None:
        assert f"{tmp_path} has {free / MIB:.1f} MiB free" in why
        assert f"{2 * size / MIB:.1f} MiB are needed" in why
