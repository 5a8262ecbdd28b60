"""`tally report` over 10,000 packages: the whole process, against a copy of what it wrote; then once more."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from measure import ROOT, TALLY, Figure, peak_memory, run

sys.path.insert(0, str(ROOT / "tests" / "support"))

import reports

from orchestrator.ground.state import State
from orchestrator.ledger.entries import Verdict
from orchestrator.nix.derivation import Derivation
from orchestrator.report.site import LARGEST

PACKAGES, SHARED = 10_000, 300
_DIFFER, _FAIL = 20, 50  # one in so many


def figures() -> list[Figure]:
    # each result is a transaction of its own: in memory, where there is some, they are made in seconds
    quick = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with (
        tempfile.TemporaryDirectory(prefix="tally-bench-") as name,
        tempfile.TemporaryDirectory(prefix="tally-bench-", dir=quick) as made,
    ):
        folder, state = Path(name), _made(State(Path(made)))
        command = [*TALLY, "report", "--out", str(folder / "site"), "--title", "Bench"]
        more = {"TALLY_STATE": str(state.root)}
        first = _seconds(command, more)
        copied = _seconds(["cp", "-r", str(folder / "site"), str(folder / "copy")], {})
        again = _seconds(command, more)
        memory = peak_memory(command, more)
        pages = [path for path in (folder / "site").rglob("*.html") if path.is_file()]
        largest = max(path.stat().st_size for path in pages)
    what = f"tally report, {PACKAGES:,} packages"
    return [
        Figure(what, first, copied, f"cp -r of its {len(pages):,} pages and files", "s", first <= 60, "60 s"),
        Figure(f"{what}, nothing new", again, first, "the first time", "s", again <= 60, "60 s"),
        Figure(f"{what}, memory", memory, 0, "-", "MB", memory <= 500, "500 MB"),
        Figure(f"{what}, largest page", largest / 1e6, 0, "-", "MB", largest <= LARGEST, "1 MB"),
    ]


def _seconds(command: list[str], more: dict[str, str]) -> float:
    begin = time.perf_counter()
    run(command, more=more)
    return time.perf_counter() - begin


def _made(state: State) -> State:
    """A ledger of two days: packages share what they are built from; some differ since the second day."""
    shared: list[Derivation] = []
    for number in range(SHARED):
        below = [shared[number // 2], shared[number - 1]] if number else []
        shared.append(reports.derivation(f"shared{number}-1.{number}", *below))
    reports.write_run(state, 0, [reports.Built("shared", shared, log="")])

    def package(number: int) -> Derivation:
        return reports.derivation(
            f"package{number}-1.0", shared[number % SHARED], shared[number * 7 % SHARED]
        )

    every = [package(number) for number in range(PACKAGES)]
    log = "compiling\n" * 200
    reports.write_run(state, 1, [reports.Built(_name(one), (one,), log=log) for one in every])
    second = []
    for number, one in enumerate(every):
        if number % _DIFFER == 0:
            text = "".join(f"line {line}\n" for line in range(200))
            files = ({"doc": f"{text}2026-11-01\n".encode()}, {"doc": f"{text}2026-11-02\n".encode()})
            second.append(reports.Built(_name(one), (one,), Verdict.DIFFERS, one, files=files, log=log))
        elif number % _FAIL == 1:
            second.append(reports.Built(_name(one), (one,), Verdict.FAILED, log=log))
    reports.write_run(state, 2, second)
    return state


def _name(one: Derivation) -> str:
    return one.name.rpartition("-")[0]
