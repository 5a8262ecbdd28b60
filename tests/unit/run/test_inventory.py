"""Targets of an SBOM, and the stores that they are looked for in."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.ground.errors import TallyError
from orchestrator.ground.state import State
from orchestrator.run.inventory import Place, Wanted, by_place

PATH = f"/nix/store/{'0' * 32}-hello-1.0.drv"


def test_a_builder_that_has_it_is_named(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    places = [Place(None, tmp_path / "machine"), Place("ours", state.store("orchestrator"))]
    with pytest.raises(TallyError, match="is not in this machine's store or in ours") as told:
        by_place(places, [Wanted(PATH, None)], state.holding)
    assert "--store ADDRESS" in str(told.value.hint)
    there = state.store("b") / PATH[1:]
    there.parent.mkdir(parents=True)
    there.touch()
    state.store("a").mkdir()
    with pytest.raises(TallyError, match="is not in this machine's store or in ours") as told:
        by_place(places, [Wanted(PATH, None)], state.holding)
    assert told.value.hint == f"a builder of this machine has it: --store {state.store('b')}"
    named = Place.of(str(state.store("b")))
    assert by_place([named], [Wanted(PATH, None)], state.holding) == {named: [Wanted(PATH, None)]}
