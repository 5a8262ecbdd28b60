"""Which derivation diverged first from what a release tells."""

from __future__ import annotations

from collections.abc import Collection

from synthetic import derivation, synthetic

from orchestrator.agreement.apart import Apart, apart
from orchestrator.builders.build import BuiltPath, Report
from orchestrator.ground.digest import NarHash
from orchestrator.nix.derivation import Derivation, DerivationGraph

LIB = derivation("lib")
TOOL = derivation("tool")
PACKAGE = derivation("package", [LIB, TOOL])
ARTIFACT = derivation("artifact", [PACKAGE])
GRAPH = DerivationGraph({each.path: each for each in (LIB, TOOL, PACKAGE, ARTIFACT)}, (ARTIFACT.path,))


def out(drv: Derivation) -> str:
    return drv.outputs["out"]


def found(differing: Collection[Derivation], untold: Collection[Derivation] = ()) -> Apart:
    every = [LIB, TOOL, PACKAGE, ARTIFACT]
    made = {out(each): BuiltPath(out(each), NarHash.of(each.name.encode()), 1, ()) for each in every}
    told = {
        out(each): NarHash.of(b"other") if each in differing else made[out(each)].nar_hash
        for each in every
        if each not in untold
    }
    return apart(GRAPH, made, told)


def test_what_merely_stands_on_the_first_is_not_blamed() -> None:
    assert found([LIB, PACKAGE, ARTIFACT]) == Apart(
        (LIB.path,), frozenset(), frozenset({out(PACKAGE), out(ARTIFACT)}), 4, ()
    )


def test_two_can_diverge_each_by_itself() -> None:
    assert found([LIB, TOOL, PACKAGE]).certain == (LIB.path, TOOL.path)


def test_where_no_hash_of_an_input_is_told_what_stands_on_it_may_have_inherited() -> None:
    result = found([PACKAGE, ARTIFACT], untold=[LIB])
    assert result.culprits == (PACKAGE.path,)
    assert result.certain == ()
    assert (result.compared, result.untold) == (3, (out(LIB),))


def test_an_untold_output_that_nothing_uses_is_no_matter() -> None:
    assert found([PACKAGE], untold=[ARTIFACT]) == Apart((PACKAGE.path,), frozenset(), frozenset(), 3, ())


def test_seeded_culprits_of_a_large_graph_are_named_and_no_other() -> None:
    graph = synthetic(300, 7)
    culprits = {path for path in list(graph.graph.derivations)[::97] if path not in graph.graph.roots}
    here, there = (_made(graph.report(name, culprits)) for name in ("a", "b"))
    told = {path: built.nar_hash for path, built in there.items()}
    wrong = set(apart(graph.graph, here, told).certain)
    assert wrong
    assert wrong <= culprits


def _made(report: Report) -> dict[str, BuiltPath]:
    built = {each.path: each for build in report.builds.values() for each in build.outputs.values()}
    return {**report.inputs, **built}
