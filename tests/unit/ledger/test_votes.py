"""Who is for what, derivation by derivation: one vote an operator, thresholds, and what converges again."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ground.digest import NarHash
from orchestrator.ledger.entries import Entry, How, Known, Made
from orchestrator.ledger.votes import Count, Standing, count

BELOW = {"app": ("lib", "tool"), "lib": ("cc",), "tool": ("cc",), "cc": ("source",), "source": ()}
"""Names in place of `.drv` paths."""


def entry(derivation: str, content: str, builder: str = "a", how: How = How.BUILT, **more: object) -> Entry:
    known = Known(builder, "local", proven=bool(more.get("proven", True)))
    second = NarHash.of(b"second") if more.get("unstable") else None
    made = {"out": Made(f"/out/{derivation}", NarHash.of(content.encode()), 120, (), second)}
    return Entry("1", known, derivation, how, made)


def said(**operators: Mapping[str, str]) -> dict[str, list[Entry]]:
    """Operator to derivation to what it made: one text a content."""
    return {name: [entry(drv, content) for drv, content in made.items()] for name, made in operators.items()}


def counted(votes: Mapping[str, list[Entry]], needed: int | None = None) -> Count:
    return count("app", BELOW, {"source"}, votes, needed)


ALIKE = {"app": "1", "lib": "1", "tool": "1", "cc": "1"}


def test_two_operators_that_made_all_alike() -> None:
    found = counted(said(x=ALIKE, y=ALIKE))
    assert found.whole
    assert found.root.voters == ("x", "y")
    assert set(found.polls) == set(ALIKE)


def test_two_builders_of_one_operator_have_one_vote() -> None:
    mine = [entry(drv, "1", builder) for drv in ALIKE for builder in ("a", "b")]
    found = counted({"x": mine})
    assert not found.whole
    assert found.root.standing is Standing.SHORT


def test_too_few_votes_far_below_leave_the_whole_open() -> None:
    found = counted(said(x=ALIKE, y={**ALIKE, "cc": "1"} | {}, z={}))
    assert found.whole
    found = counted(said(x=ALIKE, y=dict.fromkeys(("app", "lib", "tool"), "1")))
    assert not found.whole
    assert [each.derivation for each in found.those(Standing.SHORT)] == ["cc", "lib", "tool"]
    assert found.polls["lib"].unresolved == ("y",), "nobody knows which compiler y had"


def test_the_first_that_differs_is_to_blame() -> None:
    found = counted(said(x=ALIKE, y={**ALIKE, "lib": "2", "app": "2"}))
    assert found.root.standing is Standing.DIFFERS
    assert found.culprits == ("lib",)


def test_what_differs_and_converges_again_spoils_nothing_above() -> None:
    found = counted(said(x=ALIKE, y={**ALIKE, "cc": "2"}))
    assert found.whole
    assert [each.derivation for each in found.those(Standing.CONVERGED)] == ["cc"]
    assert not found.culprits


def test_it_converges_over_several_steps() -> None:
    found = counted(said(x=ALIKE, y={**ALIKE, "cc": "2", "lib": "2", "tool": "2"}))
    assert found.whole
    assert {each.derivation for each in found.those(Standing.CONVERGED)} == {"cc", "lib", "tool"}


def test_what_only_those_agree_on_who_had_it_alike_does_not_converge() -> None:
    """x and y had one compiler, z another; z says nothing of what was made with it."""
    found = counted(said(x=ALIKE, y=ALIKE, z={"cc": "2"}))
    assert not found.whole
    assert [each.derivation for each in found.those(Standing.DIFFERS)] == ["cc"]


def test_a_quorum_is_enough_and_dissent_is_named() -> None:
    votes = said(x=ALIKE, y=ALIKE, z={**ALIKE, "app": "2"})
    assert not counted(votes).whole
    found = counted(votes, 2)
    assert found.whole
    assert (found.root.voters, found.root.dissent) == (("x", "y"), ("z",))


def test_two_results_with_enough_votes_each_are_none() -> None:
    other = dict.fromkeys(ALIKE, "2")
    assert counted(said(w=ALIKE, x=ALIKE, y=other, z=other), 2).root.standing is Standing.DIFFERS


INPUTS = [entry(drv, "1", how=How.HELD) for drv in ("lib", "tool")]


@pytest.mark.parametrize(
    "mine",
    [
        [entry("app", "1"), entry("app", "2", "b")],
        [entry("app", "1"), entry("app", "2", "b", How.HELD)],
        [entry("app", "1", unstable=True)],
    ],
    ids=["its builders differ", "one holds another", "not made again"],
)
def test_an_operator_at_odds_with_itself_has_no_vote(mine: list[Entry]) -> None:
    alike = [entry("app", "1"), *INPUTS]
    found = counted({"x": [*mine, *INPUTS], "y": alike, "z": alike}, 2)
    assert found.root.standing is Standing.AGREED
    assert found.root.dissent == ("x",)
    assert counted({"x": [*mine, *INPUTS], "y": alike}).root.standing is Standing.DIFFERS


@pytest.mark.parametrize(
    "mine",
    [entry("app", "1", how=How.HELD), entry("app", "1", how=How.FAILED), entry("app", "1", proven=False)],
    ids=["held", "failed", "not proven"],
)
def test_what_was_not_built_in_a_proven_sandbox_is_no_vote(mine: Entry) -> None:
    found = counted({"x": [mine, *INPUTS], "y": [entry("app", "1"), *INPUTS]})
    assert found.root.standing is Standing.SHORT


@pytest.mark.parametrize("inputs", [INPUTS[:1], [*INPUTS, entry("lib", "2", "b", How.HELD)]])
def test_a_vote_on_something_made_from_nobody_knows_what_is_none(inputs: list[Entry]) -> None:
    alike = [entry("app", "1"), *INPUTS]
    found = counted({"x": [entry("app", "1"), *inputs], "y": alike, "z": alike}, 3)
    assert found.root.standing is Standing.SHORT
    assert found.root.unresolved == ("x",)
    assert not found.root.dissent
    found = counted({"x": [entry("app", "2"), *inputs], "y": alike, "z": alike}, 2)
    assert found.root.standing is Standing.AGREED
    assert found.root.dissent == ("x",), "it made something else, whatever from"


CHAIN = {"c": ("b",), "b": ("a",), "a": ()}


def test_who_agrees_with_one_side_here_and_the_other_there_carries_neither() -> None:
    """The worked example of laut's semantics: three signatures on each step, and two that lead up."""
    votes = said(
        k1={"a": "1", "b": "1", "c": "c"},
        k2={"a": "2", "b": "2", "c": "c"},
        k3={"a": "1", "b": "2", "c": "c"},
    )
    # in a ledger, k3 made `b` from its own `a`: it corroborates what k2 made from another one
    assert count("c", CHAIN, (), votes, 2).whole
    found = count("c", CHAIN, (), votes, 3)
    assert found.root.standing is Standing.AGREED
    assert found.whole, "each of the three made all of it, and came to the same"
    votes["k3"] = [*said(k3={"b": "2", "c": "c"})["k3"], entry("a", "2", how=How.HELD)]
    found = count("c", CHAIN, (), votes, 3)
    assert (found.whole, found.uncarried) == (False, "a"), "two have a vote there"
    assert not count("c", CHAIN, (), {"k3": votes["k3"], "k1": votes["k1"]}, 2).whole
    assert count("c", CHAIN, (), {"k3": votes["k3"], "k1": votes["k1"], "k2": votes["k2"]}, 2).whole


def paths(root: str, below: Mapping[str, tuple[str, ...]]) -> list[list[str]]:
    """Every path down, those with fixed outputs left out."""
    inputs = [each for each in below[root] if each != "source"]
    return [[root, *rest] for each in inputs for rest in paths(each, below)] or [[root]]


def carried(path: list[str], votes: Mapping[str, Mapping[str, tuple[str, bool]]], needed: int) -> bool:
    """By the definition: so many routes along a path that share no operator at any step, tried one by one."""

    def voted(name: str, drv: str) -> bool:
        had = votes[name]
        whole = all(each in had for each in BELOW[drv] if each != "source")
        return drv in had and had[drv][1] and whole

    def lead(step: int, routes: tuple[str, ...]) -> bool:
        if step == len(path):
            return True
        drv = path[step]
        return any(
            lead(step + 1, on)
            for on in permutations([name for name in votes if voted(name, drv)], needed)
            if all(votes[to][drv][0] == votes[of][drv][0] for of, to in zip(routes, on, strict=True))
        )

    tops = {votes[name][path[0]][0] for name in votes if voted(name, path[0])}
    return any(
        lead(1, first)
        for content in tops
        for first in permutations(
            [name for name in votes if voted(name, path[0]) and votes[name][path[0]][0] == content], needed
        )
    )


SEEN = st.dictionaries(
    st.sampled_from(sorted(ALIKE)), st.tuples(st.sampled_from("12"), st.sampled_from([True, True, False]))
)


@given(st.dictionaries(st.sampled_from("wxyz"), SEEN, max_size=4), st.integers(2, 3))
def test_a_target_is_carried_where_the_fields_semantics_have_it_so(
    votes: dict[str, dict[str, tuple[str, bool]]], needed: int
) -> None:
    entries = {
        name: [
            entry(drv, content, how=How.BUILT if built else How.HELD)
            for drv, (content, built) in made.items()
        ]
        for name, made in votes.items()
    }
    found = count("app", BELOW, {"source"}, entries, needed)
    by_definition = all(carried(path, votes, needed) for path in paths("app", BELOW))
    if found.root.standing is Standing.AGREED:
        assert (found.uncarried is None) == by_definition
    if found.whole:
        assert by_definition


CONTENTS = st.dictionaries(st.sampled_from(sorted(ALIKE)), st.sampled_from("12"))


@given(st.dictionaries(st.sampled_from("vwxyz"), CONTENTS, max_size=4), st.none() | st.integers(2, 4))
def test_a_yes_has_its_votes_and_never_fewer(votes: dict[str, dict[str, str]], needed: int | None) -> None:
    found = counted(said(**votes), needed)
    for poll in found.polls.values():
        if poll.standing is Standing.AGREED:
            needs = {poll.derivation, *BELOW[poll.derivation]} - {"source"}
            those = [name for name, made in votes.items() if needs <= made.keys()]
            alike = [
                name
                for name in those
                if votes[name][poll.derivation] == votes[poll.voters[0]][poll.derivation]
            ]
            assert sorted(alike) == list(poll.voters)
            assert len(alike) >= max(2, needed or len(those))
    if found.whole:
        assert found.root.standing is Standing.AGREED
        assert not found.culprits
        assert not found.those(Standing.SHORT)
