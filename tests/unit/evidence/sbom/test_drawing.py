"""Drawings: all of a small bill, what is nearest of a large one, and for Graphviz always the same text."""

from __future__ import annotations

import random
import re
from xml.etree import ElementTree as ET

import pytest
import releases

from orchestrator.evidence.sbom.bill import Bill, Kind, Relation
from orchestrator.evidence.sbom.component import Component, Role
from orchestrator.evidence.sbom.drawing import MOST, dot
from orchestrator.ground.errors import TallyError
from orchestrator.run.drawing import svg

SVG = "{http://www.w3.org/2000/svg}"


def bill(count: int, chance: random.Random | None = None) -> Bill:
    """Each refers to the one before and to some others, so that the last leads to all."""
    choose = random.Random(1)
    paths = [releases.store_path(f"part{number}-1.0") for number in range(count)]
    components = [
        Component(path, f"part{number}", Role.OUTPUT, version="1.0", path=path)
        for number, path in enumerate(paths)
    ]
    relations = [
        Relation(paths[number], kind, paths[end])
        for number in range(1, count)
        for end in {number - 1, *choose.sample(range(number), min(number, 4))}
        for kind in (Kind.REFERS_TO, Kind.BUILD_INPUT)
    ]
    if chance is not None:
        components, relations = (chance.sample(each, len(each)) for each in (components, relations))  # type: ignore[assignment]
    return Bill.of("top-1.0", paths[-1:], components, relations)


def read(drawn: bytes) -> tuple[list[list[str]], int]:
    """The lines in each box, and how many arrows there are."""
    top = ET.fromstring(drawn.decode())
    groups = [each for each in top.iter(f"{SVG}g") if each.get("class") in ("node", "edge")]
    boxes = [
        [text.text or "" for text in each.iter(f"{SVG}text")]
        for each in groups
        if each.get("class") == "node"
    ]
    return boxes, len(groups) - len(boxes)


def test_all_of_a_small_bill_is_drawn_with_every_relation() -> None:
    small = bill(20)
    boxes, arrows = read(svg(dot(small)))
    assert {box[0] for box in boxes} == {each.name for each in small.components}
    assert arrows == len(small.relations)
    assert "all 20 components" in dot(small)


def test_of_a_large_one_what_is_nearest_is_drawn_and_the_rest_is_counted() -> None:
    large = bill(2_000)
    text = dot(large)
    boxes, arrows = read(svg(text))
    assert len(boxes) == MOST
    assert f"{MOST} of 2000 components" in text
    assert arrows < 3 * MOST, "what a longer way implies is left out"
    subject = large.by_ref[large.subjects[0]]
    assert boxes[0][0] == subject.name
    near = {each.related for each in large.relations if each.element == subject.ref}
    assert {large.by_ref[ref].name for ref in near} <= {box[0] for box in boxes}
    names = {box[0]: box for box in boxes}
    for component in large.components:
        if component.name in names:
            used = {each.related for each in large.relations if each.element == component.ref}
            beyond = sum(large.by_ref[ref].name not in names for ref in used)
            told = [line for line in names[component.name] if line.endswith("not drawn")]
            assert told == ([f"+ {beyond} not drawn"] if beyond else [])


def test_no_way_is_lost_with_what_is_implied() -> None:
    text = dot(bill(80))
    after: dict[str, list[str]] = {}
    for start, end in re.findall(r"(n\d+) -> (n\d+);", text):
        after.setdefault(start, []).append(end)
    seen, queue = {"n0"}, ["n0"]
    while queue:
        for end in after.get(queue.pop(), ()):
            if end not in seen:
                seen.add(end)
                queue.append(end)
    assert len(seen) == 80


def test_a_circle_stays_one() -> None:
    made = bill(60)
    a, b = made.components[3].ref, made.components[7].ref
    circle = [Relation(a, Kind.REFERS_TO, b), Relation(b, Kind.REFERS_TO, a)]
    arrows = [Relation(made.subjects[0], Kind.REFERS_TO, each) for each in (a, b)]
    text = dot(Bill.of("x", made.subjects, made.components, [*circle, *arrows]))
    assert text.count(" -> ") == 3, "one way to the two of them, and the circle"


def test_the_parts_of_one_are_a_line_in_a_large_drawing() -> None:
    made = bill(60)
    whole = made.components[5]
    parts = [Component(f"{whole.ref}#{n}", f"crate{n}", Role.VENDORED) for n in range(300)]
    relations = [Relation(whole.ref, Kind.CONTAINS, each.ref) for each in parts]
    text = dot(Bill.of("x", made.subjects, [*made.components, *parts], [*made.relations, *relations]))
    assert "300 packages in it" in text
    assert "crate1" not in text


@pytest.mark.parametrize("count", [30, 300])
def test_the_order_of_what_it_is_made_from_changes_nothing(count: int) -> None:
    assert len({dot(bill(count, random.Random(seed))) for seed in range(4)}) == 1


def test_names_are_text_whatever_is_in_them() -> None:
    names = ['a"]; b [label="x', "back\\slash\\n", "line\nend", "\x1b[31m", "<b>&amp;", "é", "\\", "N" * 90]
    components = [Component(f"r{n}", name, Role.OUTPUT) for n, name in enumerate(names)]
    boxes, _ = read(svg(dot(Bill.of("x", ["r0"], components, []))))
    assert {box[0] for box in boxes} == {
        names[0], names[1], "line\ufffdend", "\ufffd[31m", names[4], "é", "\\", "N" * 39 + "…",
    }  # fmt: skip


def test_what_dot_says_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TallyError, match=r"`dot` failed: .*syntax error"):
        svg("digraph {")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(TallyError, match="which is not here") as caught:
        svg("digraph {}")
    assert "apt-get install graphviz" in str(caught.value.hint)
