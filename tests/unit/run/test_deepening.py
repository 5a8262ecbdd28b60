"""How far down a depth reaches."""

from __future__ import annotations

from dataclasses import replace

import pytest
from synthetic import derivation

from orchestrator.ground.digest import NarHash
from orchestrator.ledger.entries import Made
from orchestrator.nix.derivation import DerivationGraph, FixedOutput
from orchestrator.run.deepening import ALL_THE_WAY, Deep, reach, standing_on

SOURCE = replace(derivation("source"), fixed=FixedOutput("/nix/store/x-source", NarHash.of(b"x")))
LIBC = derivation("libc", [SOURCE])
TOOL = derivation("tool", [LIBC])
APP = derivation("app", [TOOL, LIBC])
PACKED = derivation("app.tar", [APP])
EVERY = (SOURCE, LIBC, TOOL, APP, PACKED)
GRAPH = DerivationGraph({each.path: each for each in EVERY}, (PACKED.path,))


@pytest.mark.parametrize(
    ("levels", "found"),
    [(0, []), (1, [LIBC, TOOL]), (2, [LIBC, TOOL]), (ALL_THE_WAY, [LIBC, TOOL])],
)
def test_levels_are_counted_from_what_was_asked_for(levels: int, found: list[object]) -> None:
    asked = [APP.path, PACKED.path]
    assert reach(GRAPH, asked, levels) == tuple(each.path for each in EVERY if each in found)


def test_one_level_leaves_out_what_is_below_it() -> None:
    chain = DerivationGraph({each.path: each for each in (SOURCE, LIBC, TOOL)}, (TOOL.path,))
    above = derivation("above", [TOOL])
    graph = DerivationGraph({**chain.derivations, above.path: above}, (above.path,))
    assert reach(graph, [above.path], 1) == (TOOL.path,)
    assert reach(graph, [above.path], 2) == (LIBC.path, TOOL.path)
    assert reach(graph, [above.path], 9) == (LIBC.path, TOOL.path), "fixed outputs are no agreement"


def test_what_is_known_is_told_by_builder_as_reports_have_it() -> None:
    made = Made("/nix/store/x-libc", NarHash.of(b"libc"), 120, ())
    deep = Deep(known={LIBC.path: {"a": {"out": made}, "b": {"out": made}}})
    found = deep.by_builder()
    assert set(found) == {"a", "b"}
    assert found["a"][made.path].nar_hash == made.nar_hash


def test_what_was_made_with_a_derivation_stands_on_it_and_a_fixed_output_on_none() -> None:
    assert standing_on(GRAPH, {LIBC.path}) == {TOOL.path, APP.path, PACKED.path}
    assert standing_on(GRAPH, {TOOL.path}) == {APP.path, PACKED.path}
    pinned = replace(derivation("pinned", [LIBC]), fixed=SOURCE.fixed)
    above = derivation("above", [pinned])
    every = (SOURCE, LIBC, pinned, above)
    graph = DerivationGraph({each.path: each for each in every}, (above.path,))
    assert standing_on(graph, {LIBC.path}) == frozenset()
