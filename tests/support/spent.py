"""What each test takes of the processors, with the processes that it starts: `pytest --spent FILE`.

Unlike seconds by the clock, this says something beside other work, too. What a test leaves running, and what
nobody waits for, is not counted.
"""

from __future__ import annotations

import json
import os
import resource
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from warm import Warm

_SHOWN = 40
_TICKS = os.sysconf("SC_CLK_TCK")


class Spent:
    """Appends a line a test, `["TEST", SECONDS]`, from every process; then shows the dearest files."""

    def __init__(self, file: Path) -> None:
        self._file = file
        if "PYTEST_XDIST_WORKER" not in os.environ:
            file.write_text("")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        before = _seconds()
        yield
        line = json.dumps([item.nodeid, round(_seconds() - before, 3)])
        with self._file.open("a") as stream:
            stream.write(f"{line}\n")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        files: Counter[str] = Counter()
        for line in self._file.read_text().splitlines():
            test, seconds = json.loads(line)
            files[test.partition("::")[0]] += seconds
        terminalreporter.write_line(f"{sum(files.values()):.1f} s of processor time; the dearest files:")
        for file, seconds in files.most_common(_SHOWN):
            terminalreporter.write_line(f"{seconds:8.1f}  {file}")


def _seconds() -> float:
    """Of this process, of what it waited for, and of those that runs are forked from."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used) + sum(map(_of, Warm.pids()))


def _of(pid: int) -> float:
    """Of a process that runs still, and of those that it waited for (proc_pid_stat(5))."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / _TICKS  # utime, stime, cutime, cstime
