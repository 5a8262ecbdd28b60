"""How soon the short commands are done: the median of several runs, each beside its baseline."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from measure import ROOT, TALLY, Figure, alternately, run, state

RECIPE = "recipes/hello.toml"


def figures(rounds: int = 11) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        run([*TALLY, "keys", "generate", Path(folder, "release")])
        run([*TALLY, "build", RECIPE, "--key", Path(folder, "release.key"), "--out", folder])
        release = Path(folder, "hello-2.10-x86_64-linux")
        request = Path(folder, "request.json")
        request.write_text(json.dumps(request_of(ROOT / RECIPE)))
        digested = [path for path in release.rglob("*") if path.is_file()]
        version, plan, verify, python, nix, sums = alternately(
            rounds,
            lambda: run([*TALLY, "--version"]),
            lambda: run([*TALLY, "plan", RECIPE]),
            lambda: run([*TALLY, "verify", release, "--key", Path(folder, "release.pub")]),
            lambda: run([sys.executable, "-c", "pass"]),
            lambda: instantiate(request),
            lambda: run(["sha256sum", *digested]),
        )
    return [
        Figure("tally --version", version, python, "python -c pass", "s", version <= 0.15, "0.15 s"),
        Figure("tally plan recipes/hello.toml", plan, nix, "nix-instantiate alone", "s", plan <= 1, "1 s"),
        Figure("tally verify RELEASE", verify, sums, "sha256sum of its files", "s", verify <= 0.5, "0.5 s"),
    ]


def request_of(recipe: Path) -> object:
    """What `tally plan` hands to Nix."""
    from orchestrator.builders.host import nix_system
    from orchestrator.pinning.request import request_for
    from orchestrator.recipe.graph import load_targets
    from orchestrator.recipe.lock import read

    names, recipes = load_targets([recipe])
    return request_for(names, recipes, read(ROOT / "tally.lock"), nix_system())


def instantiate(request: Path) -> None:
    """Evaluate a request with Nix alone, in the same store."""
    library = ROOT / "orchestrator" / "nix" / "default.nix"
    store = state() / "stores" / "orchestrator"
    evaluate = ["nix-instantiate", "--store", store, "--eval", "--strict", "--json", "--read-write-mode"]
    run(
        [*evaluate, library, "--argstr", "request", request],
        more={"NIX_CONFIG": "substitute = false\nbuild-users-group ="},
    )
