"""What a process takes while a test runs: its peak in memory since then, in KiB."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Cost:
    """What a run of `tally` took, and how it ended."""

    code: int
    seconds: float
    """Of CPU."""
    memory: int
    """Resident at most, in KiB."""
    said: str


_RUN = """
import json, os, sys
process = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, used = os.wait4(process, 0)
with open(sys.argv[1], "w") as stream:
    json.dump([os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, used.ru_maxrss], stream)
"""
"""A small process between us and it: what is measured of a child begins with what its parent takes."""


def cost(folder: Path, *arguments: object) -> Cost:
    """Run `tally` with these arguments. `folder` is for what is noted down."""
    noted, command = folder / "cost.json", [sys.executable, "-m", "orchestrator.cli"]
    ran = subprocess.run(
        [sys.executable, "-S", "-c", _RUN, noted, *command, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    code, seconds, memory = json.loads(noted.read_text())
    return Cost(code, seconds, memory, ran.stdout + ran.stderr)
