"""Debian's control files, and what a source's relations ask for."""

from __future__ import annotations

import pytest

from orchestrator.served.control import clauses, paragraphs


def test_paragraphs_and_further_lines() -> None:
    text = "Package: six\nChecksums-Sha256:\n aa 1 one.dsc\n bb 2 two.xz\n\nPackage: other\n"
    assert list(paragraphs(text)) == [
        {"Package": "six", "Checksums-Sha256": "\naa 1 one.dsc\nbb 2 two.xz"},
        {"Package": "other"},
    ]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("debhelper-compat (= 13), dh-python", ["debhelper-compat (= 13)", "dh-python"]),
        ("python3:any, perl:native", ["python3", "perl"]),
        ("one [amd64], two [arm64], three [!amd64], four [!arm64]", ["one", "four"]),
        ("one [linux-any], two [any-amd64], three [kfreebsd-any]", ["one", "two"]),
        (
            "one <!nocheck>, two <cross>, three <!nodoc !cross>, four <cross> <!nodoc>",
            ["one", "three", "four"],
        ),
        ("one [arm64] | two (>= 2), three,", ["two (>= 2)", "three"]),
        ("", []),
    ],
)
def test_clauses(text: str, kept: list[str]) -> None:
    assert [clause for clause, _ in clauses(text, "amd64")] == kept


def test_a_clause_that_cannot_be_read() -> None:
    with pytest.raises(ValueError, match="one two"):
        list(clauses("one two", "amd64"))
