"""What a run of the tests on several cores is at: a line for each file, and one a minute at least."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from typing import Any

import pytest

_QUIET = 60.0  # seconds without a word, after which it says what is running


class Progress:
    """Takes the place of pytest's dots, which name no file when several files run at once."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._begun = self._told = time.monotonic()
        self._left: Counter[str] = Counter()
        self._total = self._done = 0
        self._spent: defaultdict[str, float] = defaultdict(float)
        self._many: Counter[str] = Counter()
        self._running: dict[str, float] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()

    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        if not self._total:
            self._total = len(ids)
            self._many = Counter(map(_file, ids))
            self._left = self._many.copy()
            threading.Thread(target=self._remind, daemon=True).start()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        with self._lock:
            self._running[nodeid] = time.monotonic()

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        file = _file(nodeid)
        with self._lock:
            self._running.pop(nodeid, None)
            self._done += 1
            self._left[file] -= 1
            if self._left[file] == 0:
                self._say(f"{file}  {self._many[file]} tests, {self._spent[file]:.0f} s")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._spent[_file(report.nodeid)] += report.duration
        if (not report.passed and report.when != "teardown") or report.failed:
            with self._lock:
                self._say(f"{report.outcome.upper()} {report.nodeid}")

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """No dot; what did not pass is counted as always."""
        if report.when == "call" or not report.passed:
            return ("error" if report.failed and report.when != "call" else report.outcome, "", "")
        return None

    def pytest_sessionfinish(self) -> None:
        self._over.set()

    def _remind(self) -> None:
        while not self._over.wait(1):
            with self._lock:
                if time.monotonic() - self._told > _QUIET and self._running:
                    now = time.monotonic()
                    at = [f"{name} ({now - since:.0f} s)" for name, since in self._running.items()]
                    self._say("at " + ", ".join(at))

    def _say(self, what: str) -> None:
        self._told = time.monotonic()
        minutes, seconds = divmod(int(self._told - self._begun), 60)
        share = 100 * self._done // max(1, self._total)
        reporter: Any = self._config.pluginmanager.get_plugin("terminalreporter")
        reporter.ensure_newline()
        reporter.write_line(f"[{share:3}%] {minutes:2}:{seconds:02}  {what}")
        reporter.flush()  # into a file or a pipe, as in CI, it would wait for more


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0]
