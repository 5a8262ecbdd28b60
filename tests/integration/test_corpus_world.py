"""Three cases of the corpus of real kinds, and a control, built and diagnosed in one go."""

from __future__ import annotations

import json
import secrets
import tomllib
from pathlib import Path
from typing import Any

import pytest
from projects import Project

pytestmark = pytest.mark.integration

CASES = ("gzip-in-tar", "installed-size", "xargs-parallel")
"""Those that need no more than the smallest toolchain: a format's field, a knob, and chance."""
CONTROL = "control-tar-and-gzip"


def test_cases_have_the_right_file_and_cause_first_and_a_control_has_none(
    project: Project, repository: Path
) -> None:
    world = repository / "tests" / "corpus-world"
    expected = tomllib.loads((repository / "bench" / "expected.toml").read_text())["corpus-world"]

    def recipe(name: str) -> Path:
        script = tomllib.loads((world / f"{name}.toml").read_text())["build"]["script"]
        return project.recipe(name, f"{script}\n# {secrets.token_hex()}")

    ran = project.tally("build", *map(recipe, (*CASES, CONTROL)), "--diagnose", "--no-sign", "--json")
    outcomes = {each["target"]: each for each in json.loads(ran.failed(1).out)["outcomes"]}
    assert outcomes.pop(CONTROL)["outcome"] == "agreed"
    for name, outcome in outcomes.items():
        found: dict[str, Any] = outcome["diagnosis"]["culprits"][0]
        assert (name, found["file"]) in {(name, file) for file in expected[name]["files"]}
        assert (name, found["causes"][0]["name"]) in {(name, cause) for cause in expected[name]["causes"]}
        assert [step["kind"] for step in found["inside"]] == expected[name].get("inside", [])
