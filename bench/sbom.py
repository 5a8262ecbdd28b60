"""`tally sbom` of closures that are made here: the whole process, against Nix telling of the same paths."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import closures
from measure import TALLY, Figure, alternately, peak_memory, raw_nix, run

from orchestrator.evidence.sbom.bill import Closure
from orchestrator.evidence.sbom.closure import Seen, bill_of
from orchestrator.evidence.sbom.forms import Form
from orchestrator.ground.digest import NarHash
from orchestrator.ground.garbage import uncollected
from orchestrator.nix.entry import Entry

DERIVATIONS, PATHS = 884, 10_000
"""As many derivations as qemu's build-time closure has, and a large runtime closure."""
SMALL, LARGE = 1_000, 100_000
_COMMANDS = "experimental-features = nix-command\n"
_ALL = [word for form in Form for word in ("--format", form.value)]


def figures(rounds: int = 5) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="tally-bench-") as name:
        folder = Path(name)
        built = closures.make(folder / "built", DERIVATIONS)
        found = _of(built, built.top, f"{DERIVATIONS} derivations", (0.6, 1.2), folder, rounds)
        run_time = closures.make(folder / "run", PATHS)
        more = ("--closure", "runtime")
        found += _of(run_time, run_time.output, f"{PATHS:,} paths", (1.8, 4.0), folder, rounds, *more)
        memory = peak_memory(_command(run_time, run_time.output, folder / "it.json", *more))
        floor = peak_memory(_floor(run_time))
    found.append(
        Figure(f"tally sbom, {PATHS:,} paths", memory, floor, "nix path-info", "MB", memory <= 150, "150 MB")
    )
    return [*found, _growth()]


def _of(
    made: closures.Made,
    target: str,
    what: str,
    limits: tuple[float, float],
    folder: Path,
    rounds: int,
    *more: str,
) -> list[Figure]:
    """One form and all three, in turn with Nix alone."""
    one, three = folder / "it.json", folder / "three"
    three.mkdir(exist_ok=True)
    floor = {**raw_nix(), "NIX_CONFIG": f"{raw_nix()['NIX_CONFIG']}{_COMMANDS}"}
    first, all_, nix = alternately(
        rounds,
        lambda: run(_command(made, target, one, *more)),
        lambda: run(_command(made, target, three, *more, *_ALL)),
        lambda: run(_floor(made), more=floor),
    )
    name = "nix path-info -r --json"
    return [
        Figure(
            f"tally sbom, {what}, one form", first, nix, name, "s", first <= limits[0], f"{limits[0]:g} s"
        ),
        Figure(f"tally sbom, {what}, all three", all_, nix, name, "s", all_ <= limits[1], f"{limits[1]:g} s"),
    ]


def _command(made: closures.Made, target: str, out: Path, *more: str) -> list[object]:
    return [*TALLY, "sbom", target, "--store", made.store.root, "--out", out, *more]


def _floor(made: closures.Made) -> list[object]:
    experimental = ["--extra-experimental-features", "nix-command"]
    return ["nix", *experimental, "path-info", "-r", "--json", "--store", made.store.root, made.output]


def _growth() -> Figure:
    """Time per path of a bill and all its forms, in this process: at 100,000 paths against 1,000."""
    small, large = (_per_path(size, rounds) for size, rounds in ((SMALL, 9), (LARGE, 3)))
    return Figure(
        f"time per path, {LARGE:,} paths, all three forms",
        large * 1e6,
        small * 1e6,
        f"of {SMALL:,} paths",
        "µs",
        large <= 1.3 * small,
        "1.3x",
    )


def _per_path(size: int, rounds: int) -> float:
    paths = [f"/nix/store/{number:032d}-part{number}-1.0" for number in range(size)]
    entries = {
        path: Entry(
            path,
            NarHash.of(path.encode()),
            tuple(sorted({paths[max(0, number - back)] for back in (1, 2, 5, 9, 14)} - {path})),
            None,
        )
        for number, path in enumerate(paths)
    }
    seen = Seen((paths[-1],), None, entries, frozenset({Closure.RUNTIME}))
    taken = []
    for _ in range(rounds):
        begun = time.process_time()
        with uncollected():
            bill = bill_of(seen)
            for form in Form:
                form.document(bill)
        taken.append(time.process_time() - begun)
    return statistics.median(taken) / size
