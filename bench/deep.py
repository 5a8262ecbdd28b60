"""`tally build --deep` of 1,000 derivations on two embedded builders, against raw Nix realising them.

With seeded culprits, all of which have to be named and no other, in two turns; and without any, twice: then
all are known.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from measure import TALLY, Figure, environment, raw_nix, realise_raw, run, seconds, state

from orchestrator.builders.host import nix_system
from orchestrator.ground.state import State
from orchestrator.pinning.packing import packing_lock, packing_request

NODES = int(os.environ.get("TALLY_BENCH_NODES", "1000"))
CULPRITS = (3, 30)
KNOWN = 5.0
"""Seconds within which a run is to end of which all inputs agreed before."""


def figures() -> Iterator[Figure]:
    """Each number of culprits in stores without any of the graph; then none, twice."""
    with State(state()).scratch(f"deep-{os.getpid()}") as folder:
        (folder / "state").mkdir()
        (folder / "state" / "sources").symlink_to(state() / "sources")
        _write(folder, _graph(2, 0))
        _tally(folder, 0)  # what packs an artifact is in both stores from now on
        for count in CULPRITS:
            yield _with_culprits(folder, count)
        _write(folder, _graph(NODES, 0))
        _tally(folder, 0)
        again = seconds(lambda: _tally(folder, 0))
        yield Figure(
            name=f"tally build --deep, {NODES} derivations that agreed before",
            measured=again,
            baseline=KNOWN,
            baseline_name="5 s",
            unit="s",
            holds=again <= KNOWN,
            limit="5 s",
        )


def _with_culprits(folder: Path, count: int) -> Figure:
    wanted = {each["name"] for each in _graph(NODES, count)["nodes"] if each["culprit"]}
    first, second = (_turn(folder, count, tally_first=each) for each in (True, False))
    missing = max(len(wanted - named) for _, _, named in (first, second))
    others = max(len(named - wanted) for _, _, named in (first, second))
    ours, raw = (first[0] + second[0]) / 2, (first[1] + second[1]) / 2
    return Figure(
        name=f"tally build --deep, {NODES} derivations, {count - missing} of {count} named, {others} others",
        measured=ours,
        baseline=raw,
        baseline_name="raw Nix",
        unit="s",
        holds=ours <= 1.15 * raw and missing == others == 0,
        limit="1.15x",
    )


def _turn(folder: Path, count: int, *, tally_first: bool) -> tuple[float, float, set[str]]:
    """Seconds of tally and of raw Nix for one graph, and the culprits that tally named.

    Each goes first in one of two turns: the machine's own speed moves by a third within a minute. The stores
    stay until the end: ext4 without a journal makes a file the slower, the more were deleted just now.
    """
    _write(folder, _graph(NODES, count))
    derivation = json.loads(_plan(folder))["derivations"]["deep.nix root"]["derivation"]
    raw = Path(tempfile.mkdtemp(prefix="raw-", dir=folder))
    stores = [_copy(folder, raw / builder, derivation) for builder in ("a", "b")]
    said: list[str] = []
    timed = {
        "ours": lambda: said.append(_tally(folder, 1)),
        "raw": lambda: realise_raw(stores, "--max-jobs", "auto", derivation),
    }
    took = {name: seconds(timed[name]) for name in (("ours", "raw") if tally_first else ("raw", "ours"))}
    (outcome,) = json.loads(said[0])["outcomes"]
    named = {re.sub(r"^.*/[a-z0-9]{32}-|\.drv$", "", each) for each in outcome["rootCauses"]}
    return took["ours"], took["raw"], named


def _graph(nodes: int, culprits: int) -> dict[str, Any]:
    """One below whose last node are all others; no culprit stands on another one. No two are alike."""
    chance = random.Random(f"{nodes} {culprits}")
    found: list[dict[str, Any]] = []
    below: list[set[int]] = []
    used: set[int] = set()
    for number in range(nodes - 1):
        near = range(max(0, number - 60), number)
        inputs = sorted(chance.sample(near, min(len(near), chance.randint(0, 4))))
        used.update(inputs)
        below.append({number}.union(*(below[each] for each in inputs)))
        found.append({"name": f"d{number}", "inputs": inputs, "passes": chance.random() < 0.7})
    found.append({"name": "root", "inputs": sorted(set(range(nodes - 1)) - used), "passes": True})
    chosen: set[int] = set()
    for number in chance.sample(range(nodes - 1), nodes - 1):
        apart = chosen.isdisjoint(below[number]) and not any(number in below[each] for each in chosen)
        if len(chosen) < culprits and apart:
            chosen.add(number)
    nodes_ = [{**each, "culprit": number in chosen} for number, each in enumerate(found)]
    return {"mark": uuid.uuid4().hex, "nodes": nodes_}


def _write(folder: Path, graph: dict[str, Any]) -> None:
    folder = folder / "project"
    folder.mkdir(exist_ok=True)
    shutil.copy(Path(__file__).parent / "deep.nix", folder)
    busybox = packing_request(packing_lock(nix_system()), nix_system(), [])["busybox"]
    (folder / "busybox.json").write_text(json.dumps({name: busybox[name] for name in ("name", "sha256")}))
    (folder / "graph.json").write_text(json.dumps(graph))


def _tally(folder: Path, code: int) -> str:
    """A deep run; what it printed. Exits with `code`, or there is no figure."""
    words = [*TALLY, "build", "-f", "deep.nix", "root", "--deep", "--no-sign", "--json"]
    done = subprocess.run(
        words,
        cwd=folder / "project",
        env={**environment(), "TALLY_STATE": str(folder / "state")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode != code:
        raise SystemExit(f"tally ended with {done.returncode}:\n{done.stderr[-4000:]}")
    return done.stdout


def _plan(folder: Path) -> str:
    words = [*TALLY, "plan", "-f", "deep.nix", "root", "--json"]
    more = {**environment(), "TALLY_STATE": str(folder / "state")}
    return subprocess.run(
        words, cwd=folder / "project", env=more, capture_output=True, text=True, check=True
    ).stdout


def _copy(folder: Path, store: Path, derivation: str) -> Path:
    """`store`: a copy of the builder's of its name, with the derivations to build."""
    subprocess.run(["cp", "-a", folder / "state" / "stores" / store.name, store], check=True)
    copy = ["nix", "copy", "--no-check-sigs", "--derivation", "--to", store]
    copy += ["--from", folder / "state" / "stores" / "orchestrator"]
    settings = f"{raw_nix()['NIX_CONFIG']}experimental-features = nix-command\n"
    run([*copy, derivation], more={**raw_nix(), "NIX_CONFIG": settings})
    return store
