"""What is not built again: only what every builder of the run made before, and never otherwise."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.ground.digest import NarHash
from orchestrator.ledger.entries import Entry, How, Known, Made
from orchestrator.ledger.holding import abandoned, known, restless

DRV = "/nix/store/00000000000000000000000000000000-lib.drv"
A = Known("a", "local", nix_version="2.8.0", machine_id="m", boot_id="1", proven=True)
B = replace(A, name="b")
NOW = [replace(each, boot_id=None, proven=False) for each in (A, B)]


def made(content: str = "same", second: str | None = None) -> dict[str, Made]:
    again = None if second is None else NarHash.of(second.encode())
    return {"out": Made("/nix/store/x-lib", NarHash.of(content.encode()), 120, (), again)}


def entry(builder: Known, how: How = How.BUILT, content: str = "same", run: str = "1") -> Entry:
    return Entry(run, builder, DRV, how, {} if how is How.FAILED else made(content))


WHOLE = [entry(A), entry(B)]


def test_what_every_builder_made_alike_is_known() -> None:
    found = known(WHOLE, NOW, 2, "same-host")
    assert found == {DRV: {"a": made(), "b": made()}}


def test_it_may_have_been_made_in_different_runs() -> None:
    assert known([entry(A, run="1"), entry(B, How.CHECKED, run="2")], NOW, 2, "same-host")


def test_a_failure_before_it_does_not_matter() -> None:
    assert known([entry(A, How.FAILED), *WHOLE], NOW, 2, "same-host")


@pytest.mark.parametrize(
    ("why", "entries"),
    [
        ("nobody made it", []),
        ("one never did", [entry(A)]),
        ("one only held it", [entry(A), entry(B, How.HELD)]),
        ("one failed", [entry(A), entry(B, How.FAILED)]),
        ("they differ", [entry(A), entry(B, content="other")]),
        ("they agree now, and once one differed", [entry(A, content="other"), *WHOLE]),
        ("one held something else", [*WHOLE, entry(B, How.HELD, "other")]),
        ("one did not make it again", [entry(A), replace(entry(B), outputs=made(second="other"))]),
        ("a sandbox was not proven", [entry(A), entry(replace(B, proven=False))]),
        ("another Nix", [entry(A), entry(replace(B, nix_version="2.34.0"))]),
        ("another machine", [entry(A), entry(replace(B, machine_id="n"))]),
        ("another store", [entry(A), entry(replace(B, store="daemon"))]),
        ("another operator", [entry(A), entry(replace(B, operator="Example Org"))]),
        ("others that have these names no more", [entry(replace(A, name="c")), entry(B)]),
    ],
)
def test_everything_else_is_built_again(why: str, entries: list[Entry]) -> None:
    assert known(entries, NOW, 2, "same-host") == {}, why


def test_a_builder_that_cannot_be_recognised_is_not_the_same() -> None:
    assert known(WHOLE, [NOW[0], replace(NOW[1], machine_id=None)], 2, "same-host") == {}


def test_a_policy_that_wants_more_is_not_met_by_what_met_an_earlier_one() -> None:
    assert known(WHOLE, NOW, 3, "same-host") == {}
    assert known(WHOLE, NOW, 2, "separate-hosts") == {}
    apart = [entry(A), entry(replace(B, store="ssh-ng://b", machine_id="n", boot_id="2"))]
    now = [NOW[0], replace(NOW[1], store="ssh-ng://b", machine_id="n")]
    assert known(apart, now, 2, "separate-hosts")


def test_what_a_builder_had_several_results_of_is_restless() -> None:
    assert restless([*WHOLE, *WHOLE, entry(A, How.FAILED)], "ab") == frozenset()
    assert restless([entry(A), entry(B, content="other")], "ab") == frozenset(), "each made its own again"
    assert restless([*WHOLE, entry(B, How.HELD, content="other")], "ab") == {DRV}
    assert restless([*WHOLE, entry(B, How.HELD, content="other")], "a") == frozenset(), "it takes no part"
    assert restless([replace(entry(A), outputs=made(second="other"))], "ab") == {DRV}


KILLED = [replace(each, builder=replace(each.builder, proven=False), run="2") for each in WHOLE]


def test_what_was_left_by_runs_that_never_looked() -> None:
    assert abandoned(KILLED, ()) == {"a": frozenset({DRV}), "b": frozenset({DRV})}
    assert abandoned(KILLED, ("2",)) == {}, "that run goes on"
    assert abandoned([*KILLED, *WHOLE], ()) == {}, "it was checked since"
    assert abandoned([*WHOLE, *KILLED], ()) == abandoned(KILLED, ()), "it was gone, and built anew"
    checks = [replace(each, how=How.CHECKED) for each in KILLED]
    assert abandoned([*WHOLE, *checks], ()) == {}, "a store keeps the first result"
    held = [replace(each, how=How.HELD) for each in KILLED]
    assert abandoned(held, ()) == {}
    assert abandoned([KILLED[0], *held], ()) == {"a": frozenset({DRV})}


def test_it_is_no_yes_and_no_no() -> None:
    other = [replace(each, outputs=made("other")) for each in KILLED]
    assert not known(KILLED, NOW, 2, "same-host")
    assert known([*other, *WHOLE], NOW, 2, "same-host")
    assert not restless([*other, *WHOLE], ["a", "b"])
