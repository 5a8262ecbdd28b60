"""Which classes of non-determinism are found in `tests/corpus/`: by Nix's own `--check`, and by two builders.

A column is a run over the whole corpus in stores that hold none of it yet: what a store holds would be built
again and compared with that, which may be hours old, and not only side by side.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from measure import ROOT, TALLY, Figure, raw_nix, run, state

CORPUS = ROOT / "tests" / "corpus"
RECIPES = sorted(CORPUS.glob("*.toml"), key=lambda path: path.stem)
CONTROLS = [path.stem for path in RECIPES if path.stem.startswith("control-")]
CLASSES = [path.stem for path in RECIPES if path.stem not in CONTROLS]
_BLAMED = re.compile(r"derivation '(/nix/store/[^']+\.drv)' may not be deterministic")
_DIFFERED = 104  # nix-store's status when checks differed and no build failed


@dataclass(frozen=True)
class Column:
    """A way to find non-determinism."""

    name: str
    find: Callable[[Path], set[str]]
    """Takes a new folder for its stores; the names of the recipes of which it says that builds differ."""


def figures() -> list[Figure]:
    """What each column finds beside the first, and the whole table."""
    from orchestrator.ground.state import State

    # fetches every package that the corpus needs into the shared state, unless it is there
    run([*TALLY, "build", CORPUS / "control-listing.toml", "--no-sign"])
    found = {}
    for number, column in enumerate(COLUMNS):
        with State(state()).scratch(f"corpus-{os.getpid()}-{number}") as folder:
            found[column.name] = column.find(folder)
    return compared(found)


def compared(found: Mapping[str, set[str]]) -> list[Figure]:
    """Each column beside the first, the table with the last. None holds when any column blames a control."""
    holds = not any(blamed & set(CONTROLS) for blamed in found.values())
    counts = {name: len(blamed & set(CLASSES)) for name, blamed in found.items()}
    first, *others = counts
    made = [
        Figure(
            name=f"classes found, {other}",
            measured=counts[other],
            baseline=counts[first],
            baseline_name=first,
            unit=f"of {len(CLASSES)}",
            holds=holds,
            limit="no control blamed",
        )
        for other in others
    ]
    return [*made[:-1], replace(made[-1], details=table(found))]


def table(found: Mapping[str, set[str]]) -> str:
    """Markdown: a line a class, a column a way to find it; the totals at the end."""
    columns = found.values()
    lines = [["class", *found], ["---"] * (len(found) + 1)]
    lines += [[name, *("found" if name in blamed else "-" for blamed in columns)] for name in CLASSES]
    for title, names in (("**classes found**", CLASSES), ("**controls blamed**", CONTROLS)):
        lines.append([title, *(f"{len(set(names) & blamed)} of {len(names)}" for blamed in columns)])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def by_check(folder: Path) -> set[str]:
    """Raw Nix in one store: every package is built, then all are built again and compared with that."""
    planned = json.loads(run([*TALLY, "plan", *RECIPES, "--json"]))["recipes"]
    names = {recipe["derivation"]: name for name, recipe in planned.items()}
    fixed = {
        path
        for recipe in planned.values()
        for step in recipe["closure"]
        if step["kind"] != "built"
        for path in step["outputs"].values()
    }
    store = folder / "store"
    _copy([*names, *fixed], store)
    environment = {**raw_nix(), "TMPDIR": str(folder)}
    realise: list[str | Path] = ["nix-store", "--store", store, "--realise", "--keep-going"]
    realise += ["--max-jobs", "auto"]
    run([*realise, *names], more=environment)
    said = subprocess.run(
        [*realise, "--check", *names],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    if said.returncode not in (0, _DIFFERED):  # a build that failed is no build that differed
        sys.exit(f"nix-store --check ended with {said.returncode}:\n{said.stderr}")
    return {names[derivation] for derivation in _BLAMED.findall(said.stderr)}


def by_pair(folder: Path) -> set[str]:
    """`tally build` of the whole corpus on its two embedded builders, in a state folder of its own."""
    (folder / "sources").symlink_to(state() / "sources")
    return _build(folder)


def with_vm(folder: Path) -> set[str]:
    """The same on the first of them and on a virtual machine."""
    (folder / "sources").symlink_to(state() / "sources")
    shutil.copy(CORPUS / "tally.lock", folder)
    run([*TALLY, "builder", "add", "--vm", "vm"], folder=folder, more={"TALLY_STATE": str(folder)})
    return _build(folder, "--builder", "a", "--builder", "vm")


def _build(folder: Path, *more: str) -> set[str]:
    """The recipes of which builders' results differ. `folder` is for state, and has the tally.toml."""
    build = [*TALLY, "build", *RECIPES, "--no-sign", "--json", *more]
    said = json.loads(run(build, statuses=(0, 1), folder=folder, more={"TALLY_STATE": str(folder)}))
    outcomes = {each["target"]: each["outcome"] for each in said["outcomes"]}
    if undecided := sorted(set(outcomes.values()) - {"agreed", "disagreed"}):
        sys.exit(f"tally build ended as {undecided[0]} for some of the corpus:\n{json.dumps(said, indent=2)}")
    return {name for name, outcome in outcomes.items() if outcome == "disagreed"}


def _copy(paths: list[str], store: Path) -> None:
    """Copy the closure of these paths from the shared state's orchestrator into a new store."""
    shared = state() / "stores" / "orchestrator"
    query = ["nix-store", "--store", shared, "--query", "--requisites", *paths]
    closure = run(query, more=raw_nix()).split()
    exported = store.with_name("exported")
    with exported.open("wb") as stream:
        export: list[str | Path] = ["nix-store", "--store", shared, "--export", *closure]
        subprocess.run(export, env=raw_nix(), stdin=subprocess.DEVNULL, stdout=stream, check=True)
    with exported.open("rb") as stream:
        command: list[str | Path] = ["nix-store", "--store", store, "--import"]
        subprocess.run(command, env=raw_nix(), stdin=stream, stdout=subprocess.DEVNULL, check=True)
    exported.unlink()


COLUMNS = (
    Column("`nix-build --check`", by_check),
    Column("embedded pair", by_pair),
    Column("pair with `vm`", with_vm),
)
