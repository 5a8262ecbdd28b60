"""What this process takes while a test runs: its peak in memory since then, in KiB."""

from __future__ import annotations

import re
from pathlib import Path

_SELF = Path("/proc/self")


class Peak:
    """Begins to measure where it is made: the kernel's own mark would remember what ran before."""

    def __init__(self) -> None:
        (_SELF / "clear_refs").write_text("5")  # proc(5): VmHWM begins again at what is resident
        self._before = _status("VmRSS")

    @property
    def grown(self) -> int:
        """By how much more than at the beginning was resident at most, in KiB."""
        return max(0, _status("VmHWM") - self._before)


def _status(name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", (_SELF / "status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])
