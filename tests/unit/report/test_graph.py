"""The picture of a closure: what diverged first is in it, whatever the closure is like."""

from __future__ import annotations

from xml.etree.ElementTree import fromstring

from reports import HOSTILE

from orchestrator.report.graph import MOST, Closure, draw


def path(name: object) -> str:
    return f"/nix/store/{'0' * 32}-{name}.drv"


def test_the_way_to_what_diverged() -> None:
    inputs = {
        path("top"): (path("lib"), path("tool")),
        path("lib"): (path("gen"),),
        path("tool"): (),
        path("gen"): (),
    }
    drawn = draw(Closure(path("top"), inputs, {path("gen")}, {path("lib"), path("top")}))
    assert drawn.ways == (("top", "lib", "gen"),)
    assert "✗ gen" in drawn.svg
    assert (drawn.shown, drawn.whole) == (4, 4)
    fromstring(drawn.svg)


def test_a_large_closure_is_drawn_in_part_with_what_diverged() -> None:
    inputs = {
        path(n): tuple(path(m) for m in range(n * 10 + 1, n * 10 + 11) if m < 5000) for n in range(5000)
    }
    drawn = draw(Closure(path(0), inputs, {path(4321)}))
    assert drawn.shown == MOST
    assert drawn.whole == 5000
    assert drawn.ways[0][-1] == "4321"
    assert "✗ 4321" in drawn.svg
    assert len(drawn.svg) < 100_000


def test_a_thousand_culprits_and_one_deep_chain() -> None:
    inputs = {path(n): (path(n + 1),) if n < 999 else () for n in range(1000)}
    drawn = draw(Closure(path(0), inputs, set(inputs)))
    assert drawn.shown <= MOST
    assert "✗ 0" in drawn.svg


def test_a_circle_in_names_ends() -> None:
    inputs = {path("a"): (path("b"),), path("b"): (path("a"), path("b"))}
    assert draw(Closure(path("a"), inputs, {path("b")})).shown == 2


def test_hostile_names_are_text() -> None:
    root = path(HOSTILE)
    svg = draw(Closure(root, {root: ()}, {root})).svg
    assert "<script" not in svg
    assert "\u202e" not in svg
    fromstring(svg)
