"""The part of a lock: it makes the same request, and says nothing besides."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.pinning.depended import Dependencies
from orchestrator.pinning.request import request_for
from orchestrator.recipe import lock as locks
from orchestrator.recipe.graph import closure, load_folder
from orchestrator.recipe.lock import NixpkgsPin, SourcePin
from orchestrator.recipe.portion import portion_of

ROOT = Path(__file__).parents[3]
RECIPES = load_folder(ROOT / "recipes")
LOCK = locks.read(ROOT / "tally.lock")
SYSTEM = "x86_64-linux"
PINNED: Dependencies = {name: [] for name, recipe in RECIPES.items() if recipe.dependencies}
"""What lock files in sources pin is no part of tally.lock."""


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_it_makes_the_same_request(name: str) -> None:
    used = closure([name], RECIPES)
    part = portion_of(LOCK, RECIPES, used, SYSTEM)
    again = locks.parse(locks.text_of(part), "tally.lock")
    only = {each: RECIPES[each] for each in used}
    made = request_for([name], RECIPES, LOCK, SYSTEM, dependencies=PINNED)
    assert request_for([name], only, again, SYSTEM, dependencies=PINNED) == made
    assert set(part.packages) == part.used
    assert set(part.source) <= set(used)
    assert part.machine == ()
    assert portion_of(again, only, used, SYSTEM) == again


def test_what_others_need_is_left_out() -> None:
    pin = SourcePin(kind="url", sha256="1" * 64)
    nixpkgs = NixpkgsPin.model_validate({"type": "github"})
    lock = LOCK.model_copy(update={"nixpkgs": nixpkgs, "source": {**LOCK.source, "other": {"src": pin}}})
    part = portion_of(lock, RECIPES, ["hello"], SYSTEM)
    assert part.nixpkgs is None
    assert set(part.source) == {"hello"}
    assert len(part.set) == len(part.busybox) == 1
    assert len(part.package) < len(lock.package)
