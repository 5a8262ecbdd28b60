"""`--arg NAME EXPR`, as Nix takes it."""

from __future__ import annotations

import pytest

from orchestrator.cli.nix_options import in_one_word


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("build -f a --arg x 1 y", "build -f a --arg x=1 y"),
        ("plan --argstr x y=z", "plan --argstr x=y=z"),
        ("build --arg x=1 y", "build --arg x=1 y"),
        ("build --arg x", "build --arg x"),
        ("build -- --arg x 1", "build -- --arg x 1"),
        ("verify --arg x 1", "verify --arg x 1"),
        ("", ""),
    ],
)
def test_two_words_become_one(words: str, found: str) -> None:
    assert in_one_word(words.split()) == found.split()
