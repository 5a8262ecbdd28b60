"""The corpus of real kinds is whole: recipes that their lock fits, an answer for each, each on its page."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import diagnosis

from orchestrator.pinning.drift import drift
from orchestrator.pinning.request import request_for
from orchestrator.recipe.graph import load_folder, load_targets
from orchestrator.recipe.lock import read

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


def row(name: str = "case", **changes: Any) -> diagnosis.Row:
    """One that is right, but for `changes`."""
    answer = {"files": ["bin/x"], "causes": ["race"]}
    values = {
        "corpus": "corpus",
        "file": "bin/x",
        "inside": (),
        "cause": "race",
        "confidence": 0.9,
        "seconds": 1.0,
        "cpu": 1.0,
    }
    return diagnosis.Row(**{"name": name, **values, "answer": answer, **changes})


def test_each_limit_is_of_the_cases_that_differ() -> None:
    agreed = row(file="", cause="")
    right = [row()] * 19 + [agreed] * 9
    assert all(figure.holds for figure in diagnosis.judged("corpus", [*right, row(file="bin/y")]))
    assert not all(figure.holds for figure in diagnosis.judged("corpus", [*right, *[row(file="bin/y")] * 2]))
    assert all(figure.holds for figure in diagnosis.judged("corpus", [*right, *[row(cause="user")] * 3]))
    assert not all(figure.holds for figure in diagnosis.judged("corpus", [*right, *[row(cause="user")] * 4]))
    assert not all(figure.holds for figure in diagnosis.judged("corpus", [agreed]))


def test_one_slow_case_of_ten_is_none_too_many() -> None:
    slow, fast = row(seconds=500.0), row()
    assert all(figure.holds for figure in diagnosis.judged("corpus", [slow, *[fast] * 9]))
    assert not all(figure.holds for figure in diagnosis.judged("corpus", [slow, slow, *[fast] * 9]))
    assert not all(figure.holds for figure in diagnosis.judged("corpus", [row(seconds=61.0)] * 3))


def test_confidences_are_held_against_what_was_right() -> None:
    rows = [row(confidence=0.97), row(confidence=0.97, cause="user"), row(confidence=0.4), row(file="")]
    lines = diagnosis.calibration(rows)
    assert lines[2:] == ["| 90% to 100% | 2 | 97% | 50% |", "| 0% to 50% | 1 | 40% | 100% |"]
