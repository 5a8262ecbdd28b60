"""A bill as a drawing, in Graphviz's language DOT: all of a small one, what is nearest of a large one. Pure.

Language: https://graphviz.org/doc/info/lang.html. What is drawn of a large bill: docs/reference/sbom.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from orchestrator.evidence.sbom.bill import Bill, Kind
from orchestrator.evidence.sbom.component import Component, Role

WHOLE: Final = 40
"""Components up to which all are drawn, with each relation."""
MOST: Final = 100
"""Components that are drawn of more."""
_LONGEST: Final = 40
_PARTS: Final = frozenset({Role.VENDORED, Role.LINKED})
_RUN: Final = frozenset({Kind.REFERS_TO, Kind.LINKS})
_COLOURS: Final[Mapping[Role, str]] = {
    Role.ARTIFACT: "#cfe8ff",
    Role.PRODUCT: "#cfe8ff",
    Role.SOURCE: "#e4f5d6",
    Role.DEPENDENCY: "#e4f5d6",
    Role.FETCHED: "#e4f5d6",
    Role.TOOLCHAIN: "#e8e8e8",
    Role.FILE: "#f2f2f2",
    Role.BELIEVED: "#ffe2c8",
    Role.VENDORED: "#f3e3fb",
    Role.LINKED: "#f3e3fb",
}
_LEGEND: Final = "solid: refers to at run time, or has linked in; dashed: was built from or with, or holds"


@dataclass(frozen=True, slots=True, order=True)
class _Edge:
    start: str
    end: str
    run: bool
    """Of the runtime closure; else of the build-time closure."""


def dot(bill: Bill) -> str:
    """The drawing. The same bill gives the same text, whatever the order of what it was made from."""
    small = len(bill.components) <= WHOLE
    parts = Counter[str]()
    whole = {each.ref: each for each in bill.components}
    edges = {_Edge(each.element, each.related, each.kind in _RUN) for each in bill.relations}
    if not small:  # the parts of one component are a line in it
        for edge in edges:
            if whole[edge.end].role in _PARTS:
                parts[edge.start] += 1
        whole = {ref: each for ref, each in whole.items() if each.role not in _PARTS}
        edges = {edge for edge in edges if edge.end in whole}
        edges = {edge for edge in edges if edge.run or _Edge(edge.start, edge.end, True) not in edges}
    drawn = _nearest(bill.subjects, whole, sorted(edges))
    pairs = {(edge.start, edge.end) for edge in edges}
    beyond = Counter(start for start, end in pairs if start in drawn and end not in drawn)
    inside = sorted(edge for edge in edges if edge.start in drawn and edge.end in drawn)
    lines = inside if small else _reduced(inside)
    names = {ref: f"n{number}" for number, ref in enumerate(drawn)}
    return "\n".join(
        [
            "digraph sbom {",
            f"  graph [label={_quoted(_caption(bill, len(drawn), len(whole), small))}];",
            "  graph [rankdir=LR, ranksep=0.8, nodesep=0.15, fontname=Helvetica, fontsize=12, labeljust=l];",
            '  node [shape=box, style="rounded,filled", fontname=Helvetica, fontsize=11, margin="0.1,0.05"];',
            '  edge [color="#555555", arrowsize=0.6];',
            *(
                f"  {names[ref]} [{_node(whole[ref], ref in bill.subjects, parts[ref], beyond[ref])}];"
                for ref in drawn
            ),
            *(
                f"  {names[edge.start]} -> {names[edge.end]}{'' if edge.run else ' [style=dashed]'};"
                for edge in lines
            ),
            "}",
            "",
        ]
    )


def _nearest(
    subjects: Sequence[str], whole: Mapping[str, Component], edges: Sequence[_Edge]
) -> dict[str, None]:
    """As many as are drawn: by the steps from a subject, and of as many steps the most used first."""
    after: dict[str, list[str]] = {}
    for edge in edges:
        after.setdefault(edge.start, []).append(edge.end)
    users = Counter(edge.end for edge in edges)
    found: dict[str, None] = dict.fromkeys(subjects)
    level = list(subjects)
    while level and len(found) < MOST:
        below = {end for start in level for end in after.get(start, ()) if end not in found}
        level = sorted(below, key=lambda ref: (-users[ref], whole[ref].name, ref))
        found.update(dict.fromkeys(level))
    if len(whole) <= MOST:  # all of them, whether or not anything leads there
        found.update(dict.fromkeys(sorted(whole)))
    return dict.fromkeys(list(found)[: max(MOST, len(subjects))])


def _reduced(edges: Iterable[_Edge]) -> list[_Edge]:
    """Without those that a longer way of the same kind implies."""
    kept = set(edges)
    after: dict[tuple[str, bool], set[str]] = {}
    for edge in kept:
        after.setdefault((edge.start, edge.run), set()).add(edge.end)
    for edge in sorted(kept):
        ends = after[edge.start, edge.run]
        ends.remove(edge.end)
        if _leads(edge, after):
            kept.remove(edge)
        else:
            ends.add(edge.end)
    return sorted(kept)


def _leads(edge: _Edge, after: Mapping[tuple[str, bool], set[str]]) -> bool:
    seen, queue = {edge.start}, [edge.start]
    while queue:
        for end in after.get((queue.pop(), edge.run), ()):
            if end == edge.end:
                return True
            if end not in seen:
                seen.add(end)
                queue.append(end)
    return False


def _node(component: Component, subject: bool, parts: int, beyond: int) -> str:
    return ", ".join(
        [
            f"label={_quoted(*_label(component, parts, beyond))}",
            f"tooltip={_quoted(component.ref)}",
            f'fillcolor="{_COLOURS.get(component.role, "#ffffff")}"',
            *(["penwidth=2.5"] if subject else []),
        ]
    )


def _label(component: Component, parts: int, beyond: int) -> Iterator[str]:
    output = f" ({component.output})" if component.output else ""
    yield _short(component.name)
    if component.version or output:
        yield _short(f"{component.version or ''}{output}".strip())
    if parts:
        yield f"{parts} package{'' if parts == 1 else 's'} in it"
    if beyond:
        yield f"+ {beyond} not drawn"


def _caption(bill: Bill, drawn: int, all_: int, small: bool) -> str:
    what = f"{bill.name}: " + (
        f"{drawn} of {all_} components, the nearest first, and the most used of those"
        if drawn < all_
        else f"all {all_} components"
    )
    return f"{what}. {_LEGEND}{'' if small else '; what a longer way or a solid line implies is left out'}."


def _quoted(*lines: str) -> str:
    r"""A string of DOT with a line each. `\`, `"` and `&` are escaped, and nothing controls."""
    plain = ("".join(each if each.isprintable() else "\ufffd" for each in line) for line in lines)
    return (
        '"'
        + "\\n".join(each.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"') for each in plain)
        + '"'
    )


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
