"""`tally init` on small projects as they are: what it writes of each, and that it builds and agrees.

Two are built here, with toolchains that other tests have; `bench/run.py init` builds all.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import begun
import pytest
from begun import PROJECTS, Begun

from orchestrator.recipe.recipe import load

if TYPE_CHECKING:
    from tests.conftest import Tally, TallyIn

pytestmark = pytest.mark.integration
BUILT = ("tree", "ncompress")


@pytest.fixture(scope="module")
def project(
    tmp_path_factory: pytest.TempPathFactory, tally_in: TallyIn, session_state: Path, repository: Path
) -> tuple[Path, Tally, dict[str, Any]]:
    """One repository with all of them, after `tally init` of each, and what that said."""
    folder = tmp_path_factory.mktemp("begun")
    begun.gather(folder, session_state)
    tally = tally_in(folder)
    said = {each.name: tally("init", each.folder, "--json") for each in PROJECTS}
    (folder / "tally.lock").write_bytes((repository / "tally.lock").read_bytes())
    begun.commit(folder, "Recipes")
    return folder, tally, said


@pytest.mark.parametrize("each", PROJECTS, ids=lambda each: each.name)
def test_what_is_written(each: Begun, project: tuple[Path, Tally, dict[str, Any]]) -> None:
    folder, _, said = project
    ran = said[each.name]
    assert ran.code == (1 if each.kind is None else 0)
    document = json.loads(ran.out)
    assert document["buildSystem"] == each.kind
    recipe = load(folder / "recipes" / f"{each.name}.toml")
    assert (recipe.version, recipe.license) == (each.version, each.license)
    assert set(recipe.toolchain.packages) == set(each.packages)
    unsure = {guess["key"] for guess in document["guesses"] if not guess["sure"]}
    assert ("version" in unsure) == (each.version == "0")


def test_unedited_they_build_and_agree(project: tuple[Path, Tally, dict[str, Any]]) -> None:
    folder, tally, _ = project
    files = [folder / "recipes" / f"{name}.toml" for name in BUILT]
    ran = tally("build", *files, "--no-sign", "--json").succeeded()
    outcomes = {each["target"]: each["outcome"] for each in json.loads(ran.out)["outcomes"]}
    assert outcomes == dict.fromkeys(BUILT, "agreed")
