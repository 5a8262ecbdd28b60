"""The corpus of real kinds is whole: recipes that their lock fits, an answer for each, each on its page."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from orchestrator.recipe.drift import drift
from orchestrator.recipe.graph import load_folder, load_targets
from orchestrator.recipe.lock import read
from orchestrator.recipe.request import request_for

ROOT = Path(__file__).resolve().parents[2]
WORLD = ROOT / "tests" / "corpus-world"
CORPUS = ROOT / "tests" / "corpus"
EXPECTED = tomllib.loads((ROOT / "bench" / "expected.toml").read_text())


def split(folder: Path) -> tuple[set[str], set[str]]:
    names = set(load_folder(folder))
    controls = {name for name in names if name.startswith("control-")}
    return names - controls, controls


def test_there_are_enough_cases_and_controls() -> None:
    cases, controls = split(WORLD)
    with_the_pair = {name for name in cases if "needs" not in EXPECTED["corpus-world"][name]}
    assert len(with_the_pair) >= 40
    assert len(controls) >= 8


def test_the_lock_fits_the_recipes() -> None:
    names, recipes = load_targets(sorted(WORLD.glob("*.toml")))
    lock = read(WORLD / "tally.lock")
    assert list(drift(recipes, lock, WORLD / "flake.lock")) == []
    assert len(lock.set) == 4
    assert set(request_for(names, recipes, lock, "x86_64-linux")["targets"]) == set(names)


def test_each_case_of_both_has_an_answer() -> None:
    for folder in (CORPUS, WORLD):
        cases, _ = split(folder)
        answers = EXPECTED[folder.name]
        assert set(answers) == cases
        for answer in answers.values():
            assert set(answer) <= {"files", "inside", "causes", "needs"}
            assert answer["files"]
            assert answer["causes"]


def test_the_page_has_a_line_for_each() -> None:
    cases, controls = (WORLD / "README.md").read_text().split("## Controls")
    row = re.compile(r"^\| `([a-z0-9-]+)` \|", re.MULTILINE)
    assert (set(row.findall(cases)), set(row.findall(controls))) == split(WORLD)
