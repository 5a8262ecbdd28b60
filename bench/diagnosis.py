"""How often `tally diagnose` names the right file and the right cause first, in both corpora, and how fast.

`python bench/diagnosis.py NAME…` looks into those cases alone, and prints the tables only; with `--vm` before
the names, on the first of the embedded builders and a virtual machine.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from measure import ROOT, TALLY, Figure, cpu_seconds, run, state

from orchestrator.ground.state import State

FOLDERS = (ROOT / "tests" / "corpus", ROOT / "tests" / "corpus-world")
EXPECTED: Mapping[str, Mapping[str, Mapping[str, Any]]] = tomllib.loads(
    (ROOT / "bench" / "expected.toml").read_text()
)
FILE_FIRST, CAUSE_FIRST = 0.95, 0.85
HALF, MOST = 60.0, 120.0
"""Seconds for the median case, and for nine of ten."""
BINS = ((0.9, 1.01), (0.75, 0.9), (0.5, 0.75), (0.0, 0.5))
"""Of confidences: from, and below."""


@dataclass(frozen=True)
class Builders:
    """On which builders it is run, and where."""

    folder: Path = ROOT
    more: Mapping[str, str] = field(default_factory=dict)
    """For the environment."""
    words: tuple[str, ...] = ()
    """For `tally build`."""


PAIR = Builders()


@contextmanager
def with_vm() -> Iterator[Builders]:
    """The first of the pair and a virtual machine, in stores of their own."""
    with State(state()).scratch(f"diagnosis-{os.getpid()}") as folder:
        more = {"TALLY_STATE": str(folder)}
        (folder / "sources").symlink_to(state() / "sources")
        shutil.copy(FOLDERS[0] / "tally.lock", folder)
        run([*TALLY, "builder", "add", "--vm", "vm"], folder=folder, more=more)
        yield Builders(folder, more, ("--builder", "a", "--builder", "vm"))


@dataclass(frozen=True)
class Row:
    """What became of one case."""

    corpus: str
    name: str
    file: str
    """What was named first; empty: nothing was, since the builders agreed."""
    inside: tuple[str, ...]
    """The formats on the way in."""
    cause: str
    confidence: float
    seconds: float
    cpu: float
    answer: Mapping[str, Any]
    """What is right; empty for a control."""

    @property
    def agreed(self) -> bool:
        return not self.file

    @property
    def file_right(self) -> bool:
        return self.file in self.answer.get("files", ())

    @property
    def inside_right(self) -> bool:
        """As far in as is known to be right, at least."""
        known = tuple(self.answer.get("inside", ()))
        return self.file_right and self.inside[: len(known)] == known

    @property
    def cause_right(self) -> bool:
        return self.cause in self.answer.get("causes", ())

    def line(self) -> str:
        """Of the table."""
        if self.agreed:
            what = [
                "agreed: " + ("as a control has to" if not self.answer else "no two values here"),
                "",
                "",
                "",
            ]
        else:
            way = " > ".join([self.file, *self.inside])
            what = [
                way if self.file_right else f"{way} **wrong**",
                f"{self.cause} ({self.confidence:.0%})" + ("" if self.cause_right else " **wrong**"),
                f"{self.seconds:.1f}",
                f"{self.cpu:.1f}",
            ]
        return f"| {' | '.join([self.name, *what])} |"


def figures() -> Iterator[Figure]:
    """Both corpora; the tables with the last."""
    rows = [row for folder in FOLDERS for row in rows_of(folder, sorted(folder.glob("*.toml")))]
    for folder in FOLDERS:
        yield from judged(folder.name, [row for row in rows if row.corpus == folder.name])
    controls = [row for row in rows if not row.answer]
    blamed = sum(not row.agreed for row in controls)
    yield Figure(
        name="controls diagnosed",
        measured=blamed,
        baseline=len(controls),
        baseline_name="controls",
        unit="",
        holds=blamed == 0,
        limit="none",
        details=details(rows),
    )


def judged(name: str, rows: Sequence[Row]) -> Iterator[Figure]:
    """The limits, of those cases in which the builders differed."""
    cases = [row for row in rows if row.answer and not row.agreed]
    for what, right, least in (
        ("file first", sum(row.file_right for row in cases), FILE_FIRST),
        ("containers on the way in", sum(row.inside_right for row in cases), 0.0),
        ("cause first", sum(row.cause_right for row in cases), CAUSE_FIRST),
    ):
        holds = bool(cases) and right >= least * len(cases)
        yield Figure(
            f"{name}, {what}",
            right,
            len(cases),
            "cases that differ",
            "of them",
            holds,
            f"{least:.0%}" if least else "none",
        )
    seconds = sorted(row.seconds for row in cases) or [0.0]
    most = seconds[max(0, -(-9 * len(seconds) // 10) - 1)]
    for what, value, limit in (("median", statistics.median(seconds), HALF), ("90 %", most, MOST)):
        yield Figure(f"{name}, {what}", value, 0, "no baseline", "s", value <= limit, f"{limit:.0f} s")


def details(rows: Sequence[Row]) -> str:
    """Markdown: a line a case of each corpus, and how often confidences were right."""
    lines = []
    for corpus in dict.fromkeys(row.corpus for row in rows):
        lines += ["", f"`tests/{corpus}`:", ""]
        lines += ["| case | file first | cause first | s | CPU s |", "| --- | --- | --- | --- | --- |"]
        lines += [row.line() for row in rows if row.corpus == corpus]
    return "\n".join([*lines, "", *calibration(rows)]).strip()


def calibration(rows: Sequence[Row]) -> list[str]:
    """The share of answers that was right, by the confidence that they had."""
    lines = ["| confidence | answers | on average | right |", "| --- | --- | --- | --- |"]
    told = [row for row in rows if not row.agreed]
    for least, below in BINS:
        found = [row for row in told if least <= row.confidence < below]
        if found:
            mean = statistics.mean(row.confidence for row in found)
            right = sum(row.cause_right for row in found) / len(found)
            lines.append(f"| {least:.0%} to {min(below, 1):.0%} | {len(found)} | {mean:.0%} | {right:.0%} |")
    return lines


def rows_of(folder: Path, recipes: Sequence[Path], on: Builders = PAIR) -> Iterator[Row]:
    """Build them on two builders; then diagnose each of which they disagree."""
    build = [*TALLY, "build", *recipes, "--no-sign", "--json", *on.words]
    said = json.loads(run(build, statuses=(0, 1), folder=on.folder, more=on.more))
    for outcome in said["outcomes"]:
        name, answer = outcome["target"], EXPECTED[folder.name].get(outcome["target"], {})
        if outcome["outcome"] == "agreed":
            yield Row(folder.name, name, "", (), "", 0, 0, 0, answer)
        elif outcome["outcome"] == "disagreed":
            yield _diagnosed(folder.name, name, outcome["kept"], answer, on)
        else:
            sys.exit(
                f"tally build ended as {outcome['outcome']} for {name}:\n{json.dumps(outcome, indent=2)}"
            )


def _diagnosed(corpus: str, name: str, kept: str, answer: Mapping[str, Any], on: Builders) -> Row:
    started = time.monotonic()
    said: list[str] = []
    command = [*TALLY, "diagnose", kept, "--json"]
    cpu = cpu_seconds(lambda: said.append(run(command, statuses=(1, 2), folder=on.folder, more=on.more)))
    [document] = map(json.loads, said)
    if folder := os.environ.get("TALLY_BENCH_KEEP"):
        (Path(folder) / f"{name}.json").write_text(said[0])
    first = document["culprits"][0]
    cause = first["causes"][0]
    seconds = time.monotonic() - started
    inside = tuple(step["kind"] for step in first["inside"])
    return Row(corpus, name, first["file"], inside, cause["name"], cause["confidence"], seconds, cpu, answer)


def main(words: Sequence[str]) -> None:
    """Some cases alone."""
    names = [word for word in words if word != "--vm"]
    known = {path.stem: path for folder in FOLDERS for path in folder.glob("*.toml")}
    if unknown := sorted(set(names) - set(known)):
        sys.exit(f"no case is called {unknown[0]}")
    rows: list[Row] = []
    with with_vm() if "--vm" in words else nullcontext(PAIR) as on:
        for folder in FOLDERS:
            if wanted := [known[name] for name in names if known[name].parent == folder]:
                rows += rows_of(folder, wanted, on)
    print(details(rows))


if __name__ == "__main__":
    main(sys.argv[1:])
