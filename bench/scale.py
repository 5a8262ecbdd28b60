"""`tally build` of 1,000 trivial derivations on two embedded builders, against raw Nix realising them.

Same derivations, two stores at the same time, the toolchain in all of them; none of the 1,000 is there yet.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from measure import ROOT, TALLY, Figure, raw_nix, realise_raw, run, seconds, state

from orchestrator.ground.state import State

RECIPES = 500
"""Each is two derivations: the package and its artifact."""
_RECIPE = """\
name = "{name}"
version = "1"
summary = "Trivial"
homepage = "https://example.org/"
license = "MIT"

[toolchain]
from = "debian"
packages = ["gcc", "make", "libc6-dev"]

[build]
script = "mkdir $out; echo {name} > $out/name"
"""


def figures() -> list[Figure]:
    """One build in a new state folder, and one of the same in copies of its stores by raw Nix."""
    with State(state()).scratch(f"scale-{os.getpid()}") as folder:
        names = [f"trivial-{number}" for number in range(RECIPES)]
        recipes = [_write(folder, name) for name in ["first", *names]]
        shutil.copy(ROOT / "tally.lock", folder)
        (folder / "state").mkdir()
        (folder / "state" / "sources").symlink_to(state() / "sources")
        environment = {"TALLY_STATE": str(folder / "state")}
        run([*TALLY, "build", recipes[0], "--no-sign"], more=environment)
        planned = json.loads(run([*TALLY, "plan", *recipes[1:], "--json"], more=environment))["recipes"]
        derivations = [
            each for one in planned.values() for each in (one["derivation"], one["artifact"]["derivation"])
        ]
        stores = [_copy(folder, builder, derivations) for builder in ("a", "b")]
        ours = seconds(lambda: run([*TALLY, "build", *recipes[1:], "--no-sign"], more=environment))
        raw = seconds(lambda: realise_raw(stores, "--max-jobs", "auto", *derivations))
    return [
        Figure(
            name=f"tally build, {len(derivations)} derivations",
            measured=ours,
            baseline=raw,
            baseline_name="raw Nix",
            unit="s",
            holds=ours <= 1.15 * raw,
            limit="1.15x",
        )
    ]


def _write(folder: Path, name: str) -> Path:
    path = folder / "recipes" / f"{name}.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(_RECIPE.format(name=name))
    return path


def _copy(folder: Path, builder: str, derivations: list[str]) -> Path:
    """A copy of a builder's store, with the derivations to build."""
    store = folder / f"raw-{builder}"
    subprocess.run(["cp", "-a", folder / "state" / "stores" / builder, store], check=True)
    copy = ["nix", "copy", "--no-check-sigs", "--derivation", "--to", store]
    copy += ["--from", folder / "state" / "stores" / "orchestrator"]
    run([*copy, *derivations], more={**raw_nix(), "NIX_CONFIG": f"{raw_nix()['NIX_CONFIG']}{_COMMANDS}"})
    return store


_COMMANDS = "experimental-features = nix-command\n"
