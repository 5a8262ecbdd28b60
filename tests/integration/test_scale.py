"""Many in one run, many runs at once, and a rerun after a kill: nothing is lost, nothing is built twice."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from pathlib import Path

from projects import Project
from waiting import wait_for
from warm import WARM, Running

AT_ONCE = 8


def start(project: Project, recipe: Path) -> Running:
    environment = {**os.environ, **project.tally.environment}
    running = WARM.start(["build", str(recipe), "--key", "release.key"], project.folder, environment)
    assert running is not None
    return running


def nix_commands(project: Project, folder: Path, recipes: list[Path]) -> list[str]:
    """The first words of what `tally plan` runs of Nix, each seen by a wrapper in its place."""
    folder.mkdir()
    said = folder / "said"
    for name in ("nix", "nix-store", "nix-instantiate"):
        real = shutil.which(name)
        (folder / name).write_text(f'#!/bin/sh\necho "{name} $3 $4" >> {said}\nexec {real} "$@"\n')
        (folder / name).chmod(0o755)
    path = f"{folder}:{os.environ['PATH']}"
    project.tally("plan", *recipes, environment={"PATH": path}).succeeded()
    return sorted(said.read_text().splitlines())


def test_planning_many_asks_nix_no_more_often_than_planning_one(project: Project, tmp_path: Path) -> None:
    recipes = [project.recipe(f"many{number}", "mkdir $out") for number in range(12)]
    alone = nix_commands(project, tmp_path / "one", recipes[:1])
    assert nix_commands(project, tmp_path / "all", recipes) == alone


def test_many_runs_share_one_state_folder(project: Project) -> None:
    project.recipe("shared", f"sleep 2; mkdir $out; echo {secrets.token_hex()} > $out/file")
    recipes = [
        project.recipe(f"user{number}", "mkdir $out; cp $shared/file $out/", more='inputs = ["shared"]')
        for number in range(AT_ONCE)
    ]
    running = [start(project, recipe) for recipe in recipes]
    said = [process.communicate()[1] for process in running]
    assert [process.returncode for process in running] == [0] * AT_ONCE, "\n".join(said)
    assert project.releases == sorted(f"user{number}-1.0-x86_64-linux" for number in range(AT_ONCE))
    for builder in "ab":
        started = re.findall(rf"^{builder}: started shared-1\.0\b.*$", "\n".join(said), re.MULTILINE)
        assert started == [f"{builder}: started shared-1.0"], "what several need is built once in a store"
    for release in project.releases:
        project.tally("verify", f"releases/{release}", "--key", "release.pub").succeeded()


def test_after_a_kill_only_what_is_missing_is_built(project: Project) -> None:
    parts = [f"part{number}" for number in range(4)]
    for part in parts:
        project.recipe(part, f"mkdir $out; echo {secrets.token_hex()} > $out/file")
    copies = "; ".join(f"cp ${part}/file $out/{part}" for part in parts)
    slow = project.recipe("slow", f"sleep 6; mkdir $out; {copies}", more=f"inputs = {parts!r}")
    running = start(project, slow)
    both = {"a", "b"}
    wait_for(
        lambda: (
            set(re.findall(r"^(\w): started slow", running.said(), re.MULTILINE)) == both
            or running.poll() is not None
        ),
        "it does not begin",
    )
    running.kill()
    running.communicate()
    again = project.build(slow).succeeded()
    for builder in both:
        # of what it made just before, it had not yet looked whether it was made of something altered
        gone = re.search(rf"^{builder}: deleted (\d+) store path", again.err, re.MULTILINE)
        anew = re.findall(rf"^{builder}: started part\d", again.err, re.MULTILINE)
        assert len(anew) <= (int(gone[1]) if gone else 0), again.err
    assert "started slow-1.0" in again.err
