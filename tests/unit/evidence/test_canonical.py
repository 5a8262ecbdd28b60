"""JSON: one way to write it, one strict way to read it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import TallyError
from orchestrator.evidence.canonical import MalformedError, member, only, read, render, render_document

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
)


@given(values)
def test_what_is_written_is_read_back_and_is_json(value: object) -> None:
    for data in (render(value), render_document(value)):
        assert read(data, "it") == value
        assert json.loads(data) == value


@given(st.dictionaries(st.text(), st.integers()))
def test_the_order_of_making_does_not_show(value: dict[str, int]) -> None:
    assert render(value) == render(dict(reversed(value.items())))


@pytest.mark.parametrize(
    "data",
    [
        b"", b" ", b"{", b"{}}", b"nul", b"\xff", b"\xef\xbb\xbf{}", b'{"a":1,"a":1}', b'{"a":{"b":1,"b":2}}',
        b"NaN", b"[Infinity]", b"[-Infinity]", b"[" * 200_000, b'{"a":' * 200_000,
        b"9" * 10_000, b"'a'", b'"\n"',
    ],
)  # fmt: skip
def test_what_is_not_json_or_says_two_things_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError, match="the thing"):
        read(data, "the thing")


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_fall(data: bytes) -> None:
    try:
        read(data, "it")
    except MalformedError:
        pass


def test_text_that_is_not_text_is_refused() -> None:
    with pytest.raises(TallyError, match="not text"):
        render({"name": "\udcff"})


@pytest.mark.parametrize(
    ("value", "kind"), [([], str), ({}, str), ({"a": 1}, str), ({"a": True}, int), (None, dict)]
)
def test_members_of_other_types_are_refused(value: object, kind: type) -> None:
    with pytest.raises(MalformedError, match="the thing"):
        member(value, "a", kind, "the thing")


def test_unknown_members_are_refused() -> None:
    only({"a": 1}, frozenset({"a", "b"}), "it")
    with pytest.raises(MalformedError, match="'c'"):
        only({"a": 1, "c": 1}, frozenset({"a", "b"}), "it")
    with pytest.raises(MalformedError):
        only([], frozenset(), "it")
