"""No sentence of ours says `1 sets`: what is counted goes through `counted`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

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


def uncounted(source: str) -> Iterator[str]:
    """Each f-string in which a `len(…)` stands before a plural, or a number before `(s)`."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.JoinedStr):
            continue
        for value, after in zip(node.values, node.values[1:], strict=False):
            if not (isinstance(value, ast.FormattedValue) and isinstance(after, ast.Constant)):
                continue
            told = PLURAL.match(str(after.value))
            if told and (ast.unparse(value.value).startswith("len(") or told[1] == "(s)"):
                yield f"{ast.unparse(value)}{told[0]}"


def test_the_look_itself() -> None:
    assert list(uncounted('f"{len(x)} sets"')) == ["{len(x)} sets"]
    assert list(uncounted('f"{n} set(s)"')) == ["{n} set(s)"]
    assert list(uncounted('f"{len(x)} set, {y} sets"')) == []


def test_what_is_counted_is_in_the_right_number(repository: Path) -> None:
    found = {
        f"{path.name}: {each}"
        for path in sorted((repository / "orchestrator").rglob("*.py"))
        for each in uncounted(path.read_text())
    }
    assert found - NEVER_ONE == set()


def pages(source: str) -> Iterator[str]:
    """Each text, docstrings aside, that sends its reader to a page of ours: a wheel has none of them."""
    tree = ast.parse(source)
    notes = {id(each.value) for each in ast.walk(tree) if isinstance(each, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in notes:
            yield from re.findall(r"docs/\S+\.md|recipes/hello\.toml", node.value)


def test_no_message_names_a_file_that_only_a_clone_has(repository: Path) -> None:
    assert list(pages('def f():\n    "docs/x.md"\n    g("see docs/a/b.md")')) == ["docs/a/b.md"]
    found = {
        f"{file.name}: {each}"
        for file in sorted((repository / "orchestrator").rglob("*.py"))
        for each in pages(file.read_text())
    }
    assert found == set()
