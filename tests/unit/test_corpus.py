"""The corpus is whole: 26 classes and their controls, each a recipe that its lock fits, each on its page."""

from __future__ import annotations

import re
from pathlib import Path

import corpus

from orchestrator.pinning.drift import drift
from orchestrator.pinning.request import request_for
from orchestrator.recipe.graph import load_folder, load_targets
from orchestrator.recipe.lock import read

CORPUS = Path(__file__).resolve().parents[1] / "corpus"
CLASSES = {
    *("clock-second", "clock-minute", "clock-day", "clock-year", "randomness", "temporary-names"),
    *("kernel-release", "kernel-version", "cpu-count", "cpu-model", "cpu-flags", "build-cores"),
    *("memory-size", "boot-id", "uptime", "load", "directory-order", "directory-order-content"),
    *("inode", "ctime", "tar-mtimes", "free-disk", "file-system-type", "device-number"),
    *("race", "build-duration"),
}
CONTROLS = {
    *("control-compile", "control-epoch", "control-gzip"),
    *("control-jobs", "control-listing", "control-tar"),
}


def test_the_corpus_has_every_class_and_its_controls() -> None:
    assert len(CLASSES) == 26
    assert set(load_folder(CORPUS)) == CLASSES | CONTROLS
    assert set(corpus.CLASSES) == CLASSES
    assert set(corpus.CONTROLS) == CONTROLS


def test_all_stand_on_one_set_of_packages() -> None:
    assert len({recipe.toolchain for recipe in load_folder(CORPUS).values()}) == 1


def test_the_lock_fits_the_recipes() -> None:
    names, recipes = load_targets(sorted(CORPUS.glob("*.toml")))
    lock = read(CORPUS / "tally.lock")
    assert list(drift(recipes, lock, CORPUS / "flake.lock")) == []
    assert len(lock.set) == 1
    assert set(request_for(names, recipes, lock, "x86_64-linux")["targets"]) == CLASSES | CONTROLS


def test_the_page_has_a_line_for_each() -> None:
    classes, controls = (CORPUS / "README.md").read_text().split("## Controls")
    row = re.compile(r"^\| `([a-z-]+)` \|", re.MULTILINE)
    assert sorted(row.findall(classes)) == sorted(CLASSES)
    assert sorted(row.findall(controls)) == sorted(CONTROLS)


def test_the_table_shows_what_each_column_found() -> None:
    lines = corpus.table({"one": {"inode", "race", "control-tar"}, "other": set()}).splitlines()
    assert lines[0] == "| class | one | other |"
    assert "| inode | found | - |" in lines
    assert "| ctime | - | - |" in lines
    assert lines[-2] == "| **classes found** | 2 of 26 | 0 of 26 |"
    assert lines[-1] == "| **controls blamed** | 1 of 6 | 0 of 6 |"


def test_one_blamed_control_breaks_the_limit_whichever_column_blames_it() -> None:
    found = {"first": {"inode"}, "second": {"inode", "race"}, "third": {"race"}}
    figures = corpus.compared(found)
    assert [(each.measured, each.baseline, each.holds) for each in figures] == [(2, 1, True), (1, 1, True)]
    assert [bool(each.details) for each in figures] == [False, True]
    for name, names in found.items():
        blamed = {**found, name: names | {"control-gzip"}}
        assert not any(each.holds for each in corpus.compared(blamed))
