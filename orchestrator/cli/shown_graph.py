"""A release's build-time closure as a tree for people, and in Graphviz's language. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.cli.text import harmless
from orchestrator.evidence.shown import Graph, Node

_FILLED = {"derivation": "#ffffff", "source": "#d8f0d8", "believed": "#f8d8d8"}
_OTHER = "#eeeeee"
_DEEPEST = 64
"""Levels that are drawn below one another; closures of distributions have some 40."""


def tree(of: Graph) -> Iterator[str]:
    """A line a derivation or material, below what uses it; what was shown above is not unfolded again."""
    nodes = {each.id: each for each in of.nodes}
    shown: set[str] = set()
    waiting = [(of.root, "", "")]
    while waiting:
        path, before, below = waiting.pop()
        node = nodes[path]
        again = path in shown and bool(node.inputs)
        shown.add(path)
        deep = len(below) >= 4 * _DEEPEST and bool(node.inputs)
        more = " (above)" if again else " … (deeper: --dot has all)" if deep else ""
        yield f"{before}{_titled(node)}{more}"
        if again or deep:
            continue
        last = len(node.inputs) - 1
        children = [
            (
                each,
                f"{below}{'└── ' if place == last else '├── '}",
                f"{below}{'    ' if place == last else '│   '}",
            )
            for place, each in enumerate(node.inputs)
        ]
        waiting += reversed(children)


def _titled(of: Node) -> str:
    return of.name if of.kind == "derivation" else f"{of.name} [{of.kind}]"


def dot(of: Graph) -> str:
    """The same as a digraph, an edge from each derivation to what it is given."""
    lines = ["digraph closure {", '  node [shape=box, style=filled, fontname="sans-serif"];']
    for each in of.nodes:
        colour = _FILLED.get(each.kind, _OTHER)
        lines.append(f'  {_quoted(each.id)} [label={_quoted(_titled(each))}, fillcolor="{colour}"];')
    for each in of.nodes:
        lines += [f"  {_quoted(each.id)} -> {_quoted(used)};" for used in each.inputs]
    return "\n".join([*lines, "}"])


def _quoted(text: str) -> str:
    """A text in DOT's double quotes (Graphviz, "The DOT Language"); a backslash is one, and no escape."""
    return '"' + harmless(text).replace("\\", "\\\\").replace('"', '\\"') + '"'
