"""No sentence of ours says `1 sets`: what is counted goes through `counted`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

PLURAL = re.compile(r" (?!was\b|is\b|has\b|does\b)[a-z]+(s|\(s\))(?![a-z])")
NEVER_ONE = {
    "bounds.py: {len(name):,} bytes",
    "bounds.py: {len(path):,} bytes",
    "bundle.py: {len(signatures)} signatures",
    "cms.py: {len(found)} values",
    "cms.py: {len(signers)} signers",
    "compare.py: {len(complete)} builders",
    "embedded.py: {len(large)} bytes",
    "files.py: {len(text)} characters",
    "gate.py: {len(statement.payload):,} bytes",
    "layout.py: {len(keys)} builders",
    "machine.py: {len(found)} kernels",
    "mismatch.py: {len(found)} addresses",
    "opening.py: {len(envelope.signatures)} signatures",
    "token.py: {len(found)} keys",
    "token.py: {len(found)} tokens",
    "verify_bundle.py: {len(judgement.each)} bundles",
}
"""What is told only of none or several, since one is what there should be, or of very many."""


@dataclass(frozen=True)
class Found:
    """What the whole program says amiss, file by file."""

    uncounted: frozenset[str]
    pages: frozenset[str]


@pytest.fixture(scope="module")
def found(repository: Path) -> Found:
    """Of every file, parsed once."""
    counted, sent = set[str](), set[str]()
    for file in (repository / "orchestrator").rglob("*.py"):
        nodes = nodes_of(file.read_text())
        counted |= {f"{file.name}: {each}" for each in uncounted(nodes)}
        sent |= {f"{file.name}: {each}" for each in pages(nodes)}
    return Found(frozenset(counted), frozenset(sent))


def nodes_of(source: str) -> list[ast.AST]:
    return list(ast.walk(ast.parse(source)))


def uncounted(nodes: Sequence[ast.AST]) -> Iterator[str]:
    """Each f-string in which a `len(…)` stands before a plural, or a number before `(s)`."""
    for node in nodes:
        if not isinstance(node, ast.JoinedStr):
            continue
        for value, after in zip(node.values, node.values[1:], strict=False):
            if not (isinstance(value, ast.FormattedValue) and isinstance(after, ast.Constant)):
                continue
            told = PLURAL.match(str(after.value))
            if told and (ast.unparse(value.value).startswith("len(") or told[1] == "(s)"):
                yield f"{ast.unparse(value)}{told[0]}"


def test_the_look_itself() -> None:
    assert list(uncounted(nodes_of('f"{len(x)} sets"'))) == ["{len(x)} sets"]
    assert list(uncounted(nodes_of('f"{n} set(s)"'))) == ["{n} set(s)"]
    assert list(uncounted(nodes_of('f"{len(x)} set, {y} sets"'))) == []


def test_what_is_counted_is_in_the_right_number(found: Found) -> None:
    assert found.uncounted - NEVER_ONE == set()


def pages(nodes: Sequence[ast.AST]) -> Iterator[str]:
    """Each text, docstrings aside, that sends its reader to a page of ours: a wheel has none of them."""
    notes = {id(each.value) for each in nodes if isinstance(each, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in notes:
            yield from re.findall(r"docs/\S+\.md|recipes/hello\.toml", node.value)


def test_no_message_names_a_file_that_only_a_clone_has(found: Found) -> None:
    nodes = nodes_of('def f():\n    "docs/x.md"\n    g("see docs/a/b.md")')
    assert list(pages(nodes)) == ["docs/a/b.md"]
    assert found.pages == set()
