"""Which folders the patterns of a workspace mean."""

from __future__ import annotations

import pytest

from orchestrator.dependencies.node.manifests import chosen


@pytest.mark.parametrize(
    ("pattern", "folder"),
    [
        ("packages/*", "packages/a"),
        ("./packages/*/", "packages/a"),
        ("**/packages/*", "packages/a"),
        ("**/packages/*", "x/y/packages/a"),
        ("**", "x/y"),
        ("x/**/y", "x/y"),
        ("a*b*c", "abxbc"),
    ],
)
def test_it_means(pattern: str, folder: str) -> None:
    assert chosen([pattern])(folder)
    assert not chosen([pattern, f"!{pattern}"])(folder)


@pytest.mark.parametrize(
    ("pattern", "folder"),
    [
        ("packages/*", "packages/a/b"),
        ("packages/**", "packages"),
        ("**/packages/*", "packages"),
        ("a*b*c", "abxb"),
        ("", "a"),
    ],
)
def test_it_does_not_mean(pattern: str, folder: str) -> None:
    assert not chosen([pattern])(folder)


def test_no_pattern_takes_long() -> None:
    """As a regular expression that goes back it would take longer than anybody waits."""
    assert not chosen(["*a" * 60 + "*b"])("a" * 250)
    assert not chosen(["**/*/" * 24 + "b"])("a/" * 250 + "a")
