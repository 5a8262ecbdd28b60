"""A derivation with some of its inputs as they were."""

from __future__ import annotations

from dataclasses import replace

from synthetic import derivation

from orchestrator.ledger.change import stem
from orchestrator.nix.derivation import Derivation, DerivationGraph
from orchestrator.nix.hybrid import Swap, hybrid, swaps

LIB, TOOL = ([derivation(f"{name}-1.{number}") for number in range(2)] for name in ("lib", "tool"))
NEW = derivation("new-1.0")
SOURCES = [f"/nix/store/{digit * 32}-script.sh" for digit in "ab"]


def app(number: int, *more: Derivation) -> Derivation:
    made = derivation("app-1.0", [LIB[number], TOOL[number], *more])
    lib, tool = LIB[number].outputs["out"], TOOL[number].outputs["out"]
    return replace(
        made,
        args=("-c", f"{tool}/run {SOURCES[number]}"),
        env={"lib": lib, "flags": f"-L{lib}/lib -I{lib}"},
        input_sources=(SOURCES[number],),
    )


BEFORE, AFTER = app(0), app(1, NEW)
GRAPH = DerivationGraph({each.path: each for each in (*LIB, *TOOL, NEW)}, ())


def changed() -> tuple[Swap, ...]:
    return swaps(BEFORE, AFTER, lambda path: stem(path) if path.endswith(".drv") else path[44:])


def test_what_changed_is_paired_by_name_and_what_is_new_is_not() -> None:
    assert [(each.before, each.after) for each in changed()] == [
        (LIB[0].path, LIB[1].path),
        (SOURCES[0], SOURCES[1]),
        (TOOL[0].path, TOOL[1].path),
    ]


def test_an_input_as_it_was_is_so_wherever_it_is_named() -> None:
    lib = next(each for each in changed() if each.after == LIB[1].path)
    made = hybrid(AFTER, [lib], GRAPH)
    assert made.env == BEFORE.env
    assert made.args == AFTER.args
    assert set(made.input_derivations) == {LIB[0].path, TOOL[1].path, NEW.path}
    assert made.input_sources == AFTER.input_sources


def test_all_as_they_were_is_what_it_was_but_for_what_is_new() -> None:
    made = hybrid(AFTER, changed(), GRAPH)
    assert (made.env, made.args, made.input_sources) == (BEFORE.env, BEFORE.args, BEFORE.input_sources)
    assert set(made.input_derivations) == {*BEFORE.input_derivations, NEW.path}


def test_what_is_used_by_other_outputs_now_is_no_swap() -> None:
    other = replace(AFTER, input_derivations={**AFTER.input_derivations, LIB[1].path: ("dev",)})
    assert LIB[1].path not in {each.after for each in swaps(BEFORE, other, stem)}


def test_two_of_one_name_cannot_be_told_apart() -> None:
    twice = replace(
        AFTER, input_derivations={**AFTER.input_derivations, derivation("lib-1.2").path: ("out",)}
    )
    assert LIB[1].path not in {each.after for each in swaps(BEFORE, twice, stem)}
