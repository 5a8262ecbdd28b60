"""How many of 15 small projects build and agree with what `tally init` wrote, unedited."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from measure import ROOT, TALLY, Figure, environment, state

sys.path.insert(0, str(ROOT / "tests" / "support"))

_WANTED = 12


def figures() -> list[Figure]:
    """The count, and what came of each."""
    import begun

    from orchestrator.ground.state import State

    with State(state()).scratch(f"init-{os.getpid()}") as folder:
        begun.gather(folder, state())
        codes = {
            each.name: subprocess.run(
                [*TALLY, "init", each.folder, "--json"],
                cwd=folder,
                env=environment(),
                capture_output=True,
            ).returncode
            for each in begun.PROJECTS
        }
        shutil.copyfile(ROOT / "tally.lock", folder / "tally.lock")
        subprocess.run([*TALLY, "lock"], cwd=folder, env=environment(), check=True)
        begun.commit(folder, "Recipes")
        outcomes = _built(folder)
    agreed = sum(outcome == "agreed" for outcome in outcomes.values())
    rows = [
        f"| {each.name} {each.version} | {each.kind or 'none known'} | {codes[each.name]} | "
        f"{outcomes.get(each.name, 'not built')} |"
        for each in begun.PROJECTS
    ]
    table = [
        "| project | build system | exit code of `tally init` | built, unedited |",
        "| --- | --- | --- | --- |",
    ]
    return [
        Figure(
            name="build and agree with what tally init wrote",
            measured=agreed,
            baseline=len(begun.PROJECTS),
            baseline_name="all of them",
            unit="projects",
            holds=agreed >= _WANTED,
            limit=f"at least {_WANTED}",
            details="\n".join([*table, *rows]),
        )
    ]


def _built(folder: Path) -> dict[str, str]:
    done = subprocess.run(
        [*TALLY, "build", "--all", "--no-sign", "--json"],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
    )
    return {each["target"]: each["outcome"] for each in json.loads(done.stdout)["outcomes"]}
