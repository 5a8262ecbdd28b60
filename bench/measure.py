"""What the benchmarks share: timing, memory, and one way to print a figure against its baseline."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TALLY = [str(ROOT / ".venv" / "bin" / "tally")]
_RAW_SETTINGS = """\
builders =
build-users-group =
sandbox = true
sandbox-fallback = false
sandbox-paths =
substitute = false
"""


@dataclass(frozen=True)
class Figure:
    """One measurement against its baseline, both taken in this run, and the limit that holds for it."""

    name: str
    measured: float
    baseline: float
    baseline_name: str
    unit: str
    holds: bool
    limit: str
    details: str = ""
    """Markdown to print below the table of figures."""

    def line(self) -> str:
        ratio = f"{self.measured / self.baseline:.2f}x" if self.baseline else "-"
        measured, baseline = (f"{value:.3g} {self.unit}" for value in (self.measured, self.baseline))
        verdict = "holds" if self.holds else "BROKEN"
        cells = (self.name, measured, f"{baseline} ({self.baseline_name})", ratio, self.limit, verdict)
        return f"| {' | '.join(cells)} |"


HEADER = "| what | measured | baseline | ratio | limit | |\n| --- | --- | --- | --- | --- | --- |"


def state() -> Path:
    """A state folder that outlives the run, so that packages are fetched once: the tests' own."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("TALLY_TEST_STATE") or cache / "tallystick" / "tests")


def environment() -> Mapping[str, str]:
    """This one, with the tests' state folder; Python may keep what it compiles, as where it is installed."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "TALLY_STATE": str(state())}


def raw_nix() -> Mapping[str, str]:
    """The environment for Nix without `tally`, with the settings that matter alike and nobody's nix.conf."""
    files = {"NIX_CONF_DIR": os.devnull, "NIX_USER_CONF_FILES": os.devnull}
    return {**environment(), **files, "NIX_CONFIG": _RAW_SETTINGS}


def run(
    command: Sequence[object],
    *,
    statuses: Collection[int] = (0,),
    folder: Path = ROOT,
    more: Mapping[str, str] | None = None,
) -> str:
    """Run a command in a folder; its standard output. Ends the benchmark with what it said when it fails.

    `statuses` are those with which it does not; `more` are variables for its environment.
    """
    done = subprocess.run(
        [str(word) for word in command],
        env={**environment(), **(more or {})},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in statuses:
        sys.exit(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def realise_raw(stores: Sequence[Path], *words: str) -> None:
    """`nix-store --realise` in each of the stores at the same time, without `tally`."""
    processes = [
        subprocess.Popen(
            ["nix-store", "--store", store, "--realise", *words],
            env={**raw_nix(), "TMPDIR": str(store.parent)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for store in stores
    ]
    for process in processes:
        _, said = process.communicate()
        if process.returncode != 0:
            sys.exit(f"the baseline failed with {process.returncode}:\n{said}")


def seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def cpu_seconds(action: Callable[[], object]) -> float:
    """What the processes that an action starts and waits for take of the CPUs, whatever else has them."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    action()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def alternately(
    rounds: int, *actions: Callable[[], object], by: Callable[[Callable[[], object]], float] = seconds
) -> list[float]:
    """The median seconds of each action, run in turn, so that what else the machine does meets all alike."""
    taken: list[list[float]] = [[] for _ in actions]
    for _ in range(rounds):
        for times, action in zip(taken, actions, strict=True):
            times.append(by(action))
    return [statistics.median(times) for times in taken]


def peak_memory(
    command: Sequence[object],
    more: Mapping[str, str] | None = None,
    *,
    statuses: Collection[int] = (0,),
) -> float:
    """The largest resident size, in MB, of a command's own process, its children left out."""
    process = subprocess.Popen(
        [str(word) for word in command],
        env={**environment(), **(more or {})},
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    peak = 0
    while process.poll() is None:
        peak = max(peak, _high_water(process.pid))
        time.sleep(0.02)
    if process.returncode not in statuses:
        sys.exit(f"{' '.join(map(str, command))} ended with {process.returncode}")
    return peak / 1000


def _high_water(pid: int) -> int:
    """VmHWM in kB, which the kernel keeps: a look now and then misses no peak but the last moments'."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")), 0)
