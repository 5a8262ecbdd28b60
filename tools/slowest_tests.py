"""Print the tables of bench/README.md's part on tests from the log of a run.

time make test PYTEST_ARGS=--durations=50 2>&1 | tee LOG    # bash: `{ time …; } 2>&1 | tee LOG`
.venv/bin/python tools/slowest_tests.py LOG
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

_TEST = re.compile(r"^ *([0-9.]+)s (call|setup|teardown) +(?:tests/)?(\S.*)$", re.MULTILINE)
_FILE = re.compile(r"\] +\d+:\d\d  (?:tests/)?(\S+\.py)  (\d+) tests?, (\d+) s$", re.MULTILINE)
_TIME = re.compile(r"^(real|user|sys)\t(\d+)m([0-9.]+)s$", re.MULTILINE)


def lines(log: str, files: int = 20) -> Iterator[str]:
    """Processor time, the slowest tests as pytest has them, and the files that took longest by the clock."""
    took = {name: int(minutes) * 60 + float(seconds) for name, minutes, seconds in _TIME.findall(log)}
    if took:
        cpu = took["user"] + took["sys"]
        yield f"{_clock(took['user'])} user and {_clock(took['sys'])} system, {_clock(cpu)} together, "
        yield f"{_clock(took['real'])} by the clock."
    yield from ("", "| seconds | what |", "| --- | --- |")
    for seconds, when, what in _TEST.findall(log):
        yield f"| {float(seconds):.0f} | `{what}`{'' if when == 'call' else f', {when}'} |"
    yield from ("", "| seconds | tests | file |", "| --- | --- | --- |")
    found = sorted(_FILE.findall(log), key=lambda each: -int(each[2]))
    for what, count, seconds in found[:files]:
        yield f"| {seconds} | {count} | `{what}` |"


def _clock(seconds: float) -> str:
    return f"{round(seconds) // 60} min {round(seconds) % 60} s"


if __name__ == "__main__":
    print("\n".join(lines(Path(sys.argv[1]).read_text(errors="replace"))))
