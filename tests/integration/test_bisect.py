"""`tally history TARGET --bisect`: the input whose new version makes a target differ, found by building."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from projects import Project

if TYPE_CHECKING:
    from tests.conftest import TallyIn

pytestmark = pytest.mark.integration

NAMES = ("one", "two", "three")
STILL = "mkdir $out; echo 'echo {0}' > $out/gen"
RANDOM = "mkdir $out; echo 'read it < /proc/sys/kernel/random/uuid; echo $it' > $out/gen"


def versioned(project: Project, name: str, version: str, script: str) -> None:
    file = project.recipe(name, script)
    file.write_text(file.read_text().replace('version = "1.0"', f'version = "{version}"'))


def test_the_input_whose_new_version_makes_it_differ_is_found_and_proven(
    tmp_path: Path, tally_in: TallyIn, repository: Path, new_state: Path
) -> None:
    project = Project(tmp_path, tally_in(tmp_path, TALLY_STATE=str(new_state)), repository)
    for name in NAMES:
        versioned(project, name, "1.0", STILL.format(name))
    script = "mkdir $out; for each in $one $two $three; do sh $each/gen; done > $out/it"
    app = project.recipe("app", script, f"inputs = {json.dumps(NAMES)}")
    project.build(app, key=False, more=("--no-sign",)).succeeded()
    nothing = project.tally("history", "app", "--bisect").failed(2)
    assert "did not stop agreeing" in nothing.err

    for name in NAMES:
        versioned(project, name, "1.1", RANDOM if name == "two" else STILL.format(f"{name} again"))
    project.build(app, key=False, more=("--no-sign",)).failed(1)
    ran = project.tally("history", "app", "--bisect", "--json").succeeded()
    (target,) = json.loads(ran.out)["targets"]
    (found,) = target["bisected"]
    names = [(each["before"][44:], each["after"][44:]) for each in found["inputs"]]
    assert names == [("two-1.0.drv", "two-1.1.drv")]
    assert (found["proven"], found["why"]) == (True, None)
    assert found["derivation"].endswith("-app-1.0.drv")
    assert "building it with two-1.1 as before" in ran.err
    assert len(target["results"]) == 2, "nothing of it is a result"

    (project.folder / "recipes/app.toml").write_text(app.read_text().replace("> $out/it", "> $out/that"))
    for name in NAMES:
        versioned(project, name, "1.0", STILL.format(name))
    project.build(app, key=False, more=("--no-sign",)).succeeded()
    assert "did not stop agreeing" in project.tally("history", "app", "--bisect").failed(2).err
