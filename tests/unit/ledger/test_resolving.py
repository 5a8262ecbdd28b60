"""What each build was made from, by what its builder had in that run or before."""

from __future__ import annotations

from orchestrator.ground.digest import NarHash
from orchestrator.ledger.entries import Entry, How, Known, Made
from orchestrator.ledger.resolving import resolved
from orchestrator.ledger.votes import count

INPUTS = {"app": ("lib",), "lib": ()}


def entry(
    derivation: str,
    content: str,
    run: str = "1",
    how: How = How.BUILT,
    builder: str = "a",
    *,
    proven: bool = True,
    second: str | None = None,
    machine: str = "m",
) -> Entry:
    again = None if second is None else NarHash.of(second.encode())
    made = {"out": Made(f"/out/{derivation}", NarHash.of(content.encode()), 120, (), again)}
    return Entry(run, Known(builder, "local", machine_id=machine, proven=proven), derivation, how, made)


def made_from(*entries: Entry) -> list[str | None]:
    """What each build of `app` was made from."""
    found = [each for each in resolved(entries, INPUTS) if each.derivation == "app"]
    texts = {NarHash.of(text.encode()): text for text in "123"}
    return [texts[each.inputs["lib"]["out"].nar_hash] if each.inputs else None for each in found]


def test_what_it_had_in_that_run() -> None:
    assert made_from(entry("lib", "1"), entry("app", "x")) == ["1"]
    both = entry("lib", "1"), entry("app", "x"), entry("lib", "2", "2", How.HELD), entry("app", "y", "2")
    assert made_from(*both) == ["1", "2"]


def test_else_what_it_was_the_last_to_have_before() -> None:
    lib = entry("lib", "1"), entry("lib", "2", "2")
    assert made_from(*lib, entry("app", "x", "3")) == ["2"]
    assert made_from(*lib, entry("app", "x", "1")) == ["1"], "what came later was not there"


def test_what_nobody_knows_is_not_told() -> None:
    app = entry("app", "x")
    assert made_from(app) == [None]
    assert made_from(entry("lib", "1", builder="b"), app) == [None], "another builder's"
    assert made_from(entry("lib", "1", machine="n"), app) == [None], "that of another machine with its name"
    assert made_from(entry("lib", "1", second="2"), app) == [None], "it came out in two ways"
    assert made_from(entry("lib", "1", proven=False), app) == [None], "it was not looked at after that"
    assert made_from(entry("lib", "1", how=How.FAILED), app) == [None]


def test_who_built_the_top_alone_has_a_vote_on_it() -> None:
    """Its inputs are those that it tells; on these it has no vote."""
    (top,) = resolved([entry("lib", "1", how=How.HELD), entry("app", "x")], INPUTS)
    below = [entry("lib", "1")]
    whole = [entry("lib", "1"), entry("app", "x")]
    found = count("app", INPUTS, (), {"x": [top], "y": below, "z": whole}, 2)
    assert found.whole
    assert found.root.voters == ("x", "z")
    other = count("app", INPUTS, (), {"x": [top], "y": [entry("lib", "2")], "z": whole}, 2)
    assert not other.whole, "nobody else made what x had below"
    assert not count("app", INPUTS, (), {"x": [entry("app", "x")], "y": below, "z": whole}, 2).whole
