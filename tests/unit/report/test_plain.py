"""What strangers wrote is text: nothing in it turns letters around or moves a cursor."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from reports import HOSTILE

from orchestrator.report.plain import plain, slug, slugs


def test_what_does_not_print_is_an_escape() -> None:
    assert (
        plain("\x1b[31mred\u202egnp.exe\n\t\u2066\ue000")
        == "\\x1b[31mred\\u202egnp.exe\\x0a    \\u2066\\ue000"
    )
    assert plain("grüße — 你好") == "grüße — 你好"


def test_a_long_line_is_cut_and_says_so() -> None:
    assert plain("x" * 1_000_000, 10) == f"{'x' * 10}… (999990 more characters)"


@given(st.text())
def test_every_text_becomes_one_that_prints(text: str) -> None:
    assert plain(text).isprintable()


@given(st.lists(st.tuples(st.text(), st.text()), unique=True, max_size=20))
def test_file_names_are_harmless_and_different(keys: list[tuple[str, str]]) -> None:
    found = slugs(keys)
    assert len({each.lower() for each in found.values()}) == len(keys)
    for name in found.values():
        assert name not in (".", "..")
        assert not set(name) - set("abcdefghijklmnopqrstuvwxyz0123456789+_.-~"), name
        assert len(name) <= 100


def test_a_plain_name_stays_as_it_is() -> None:
    assert slug("hello", "x86_64-linux") == "hello-x86_64-linux"
    assert slug(HOSTILE) != slug(HOSTILE + "x")
    found = slugs([("a-b", "c"), ("a", "b-c"), ("plain", "")])
    assert found["plain", ""] == "plain"
    assert found["a-b", "c"] != found["a", "b-c"]
