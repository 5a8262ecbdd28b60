"""Patterns: the whole text or nothing, no host but the one that is named, and no time to be lost."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from work import steps

from orchestrator.policy.pattern import Pattern, address, exactly, subject


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("mirror://gnu/hello.tar.gz", "mirror://gnu/hello.tar.gz", True),
        ("mirror://gnu/hello.tar.gz", "mirror://gnu/hello.tar.gz.sig", False),
        ("mirror://gnu/hello.tar.gz", "MIRROR://gnu/hello.tar.gz", False),
        ("mirror://gnu/*", "mirror://gnu/hello.tar.gz", True),
        ("mirror://gnu/*", "mirror://gnu/hello/hello.tar.gz", False),
        ("mirror://gnu/**", "mirror://gnu/hello/hello.tar.gz", True),
        ("mirror://gnu/**", "mirror://gnu.evil.example/hello", False),
        ("mirror://gnu/**", "evil:mirror://gnu/hello", False),
        ("https://ci.example/*/x.yml@refs/tags/v*", "https://ci.example/a/x.yml@refs/tags/v1", True),
        ("https://ci.example/*/x.yml@refs/tags/v*", "https://ci.example/a/b/x.yml@refs/tags/v1", False),
        ("*@example.org", "who@example.org", True),
        ("*@example.org", "who@example.org.evil.example", False),
        ("*@example.org", "who@example.org\n", False),
        ("a.c", "abc", False),
        ("a**", "a\nb", True),
        ("***", "a/b", True),
        ("*a", "", False),
    ],
)  # fmt: skip
def test_the_whole_text_fits_or_nothing_does(pattern: str, text: str, fits: bool) -> None:
    assert Pattern(pattern).matches(text) is fits


@given(st.text("a/*", max_size=8), st.text("a/", max_size=10))
def test_as_the_regular_expression_that_says_the_same(pattern: str, text: str) -> None:
    parts = re.findall(r"\*+|[^*]", pattern)
    said = "".join("[^/]*" if p == "*" else ".*" if p.startswith("*") else re.escape(p) for p in parts)
    assert Pattern(pattern).matches(text) is bool(re.fullmatch(said, text, re.DOTALL))


def test_no_pattern_takes_many_steps() -> None:
    assert not Pattern("**a" * 150 + "b").matches("a" * 4096)
    assert not Pattern("**").matches("a" * 4097)
    assert steps(lambda: Pattern("**a" * 150 + "b").matches("a" * 4096)) < 2_000_000


HOSTLESS = [
    "https://*.example/x", "https://*/x", "https://example*", "*://x", "https://**", "http**", "https:**",
    "https:/**", "https://accounts.google.com*", "https://accounts.google.com**", "https://a.example:*/x",
    "https://a.example?*", "https://a.example@*/x", "https:///**", "a*", "a.example/**", "**a.example/x",
]  # fmt: skip
ANYBODY = ["*", "**", "*/*", "**://**", "*@*", "*.*"]


@pytest.mark.parametrize("text", HOSTLESS)
@pytest.mark.parametrize("kind", [address, subject])
def test_a_host_is_never_a_wildcard(kind: Callable[[str], Pattern], text: str) -> None:
    with pytest.raises(ValueError, match="write scheme and host out, up to the `/`"):
        kind(text)


@pytest.mark.parametrize("text", ["alice@*", "alice@*.example", "*@example*", "a*@"])
def test_nor_is_that_of_an_email_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"wildcard in its host: write it out"):
        subject(text)


@pytest.mark.parametrize("text", ["**@example.org", "http**@example.org", "a***@example.org"])
def test_a_pattern_over_email_addresses_fits_no_uri(text: str) -> None:
    with pytest.raises(ValueError, match="fits URIs too"):
        subject(text)


def test_what_names_its_host_is_taken() -> None:
    for text in (
        "https://a.example/**",
        "mirror://gnu/*",
        "https://a.example/x*",
        "https://a.example/*@refs/tags/v*",
    ):
        assert address(text) == subject(text) == Pattern(text)
    assert subject("*@example.org").matches("who@example.org")
    assert not subject("*@example.org").matches("https://evil.example/x@example.org")
    for plain_text in ("https://a.example", "x.tar.gz", "who@example.org"):
        assert address(plain_text) == subject(plain_text) == Pattern(plain_text)


@pytest.mark.parametrize("text", ANYBODY)
@pytest.mark.parametrize("kind", [address, subject])
def test_a_pattern_says_something(kind: Callable[[str], Pattern], text: str) -> None:
    with pytest.raises(ValueError, match="everything"):
        kind(text)


def test_what_is_exact_has_no_wildcard() -> None:
    with pytest.raises(ValueError, match="-pattern"):
        exactly("https://example.org/*")
