"""Detours: however `..` is written, no client of an address ends outside the folder that it names."""

from __future__ import annotations

from urllib.parse import unquote, urljoin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from urllib3.util import parse_url

from orchestrator.recipe.detours import plain


@pytest.mark.parametrize("detour", [
    "x/../y", "x/%2e%2e/y", "x/%252e%252e/y", "./y", "x\\..\\y", "..?file=/evil/x", "a/..?x=/evil",
    "%2e%2e?x", "..%3fx", "..#/x", ".#x", "..;/evil", "..%3B/evil", "x/..", "x/.", "..@" + "a" * 40,
    "..%40x", ".%09./evil", ".\t./evil", ".%0a./evil", "..%00/evil", "..%20/evil", "x%5c..%5cy",
])  # fmt: skip
def test_detours(detour: str) -> None:
    assert not plain(f"https://a.example/pub/{detour}")


@pytest.mark.parametrize("text", [
    "https://a.example/x/y..z/...", "https://a.example/x?y=..z", "git+https://a.example/x@" + "a" * 40,
    "git+ssh://git@a.example/x.git@" + "a" * 40, "path:.@" + "a" * 40, "mirror://npm/@scope/x/-/x-1.tgz",
    "https://a.example/a%20b?x=1;y=2#z",
])  # fmt: skip
def test_what_has_none(text: str) -> None:
    assert plain(text)


@settings(max_examples=500)
@given(st.lists(st.sampled_from(["a", ".", "..", "/", "?", "#", ";", "@", "%2e", "%2F", "%09", "\t", "\\"])))
def test_no_client_leaves_a_folder_by_what_is_plain(parts: list[str]) -> None:
    text = "https://a.example/pub/" + "".join(parts)
    if plain(text):
        assert parse_url(text).request_uri.startswith("/pub/")  # as we fetch it
        assert urljoin("https://b.example", text).startswith("https://a.example/pub/")
        once = unquote(text)  # as a server may read it
        assert parse_url(once).request_uri.startswith("/pub/")
