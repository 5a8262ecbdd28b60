"""What the processes that tests are forked from hold lies in large pages, where the kernel can do that."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_HOLDS = """
import sys
sys.path.insert(0, sys.argv[1])
import large_pages
held = [str(each) for each in range(100_000)], bytearray(b"held") * (8 << 20)
large_pages.settle()
assert held == ([str(each) for each in range(100_000)], bytearray(b"held") * (8 << 20))
print(open("/proc/self/smaps_rollup").read())
"""


def _can() -> bool:
    release = tuple(int(each) for each in os.uname().release.split("-")[0].split(".")[:2])
    return release >= (6, 1) and Path("/sys/kernel/mm/transparent_hugepage").exists()


@pytest.mark.skipif(not _can(), reason="needs Linux 6.1, with transparent huge pages")
def test_most_of_what_a_process_holds(repository: Path) -> None:
    words = [sys.executable, "-c", _HOLDS, str(repository / "tests" / "support")]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    kilobytes = {line.split()[0]: int(line.split()[1]) for line in done.stdout.splitlines()[1:] if line}
    assert kilobytes["AnonHugePages:"] > kilobytes["Anonymous:"] / 2
