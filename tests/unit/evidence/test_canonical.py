"""JSON: one way to write it, one strict way to read it."""

from __future__ import annotations

import json
import sys
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import releases
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.evidence import canonical
from orchestrator.evidence.canonical import (
    DEEPEST,
    LARGEST_ENVELOPE,
    MOST_MARKS,
    MalformedError,
    decoded,
    encoded,
    holds,
    hollowed,
    in_one_form,
    marks_in,
    member,
    moment,
    only,
    read,
    read_envelope,
    render,
    render_document,
    same,
)
from orchestrator.evidence.materials import materials_of
from orchestrator.evidence.sbom import spdx2
from orchestrator.evidence.sbom.released import bill_of
from orchestrator.ground.errors import TallyError

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
)


def outcome(data: bytes) -> str:
    """What reading gives, with the types of numbers."""
    try:
        return repr(read(data, "it"))
    except MalformedError as error:
        return f"refused: {error}"


def never(data: bytes) -> Any:
    raise ValueError


@given(st.one_of(values, st.floats()), st.integers(0, 200), st.integers(0, 255), st.booleans())
def test_one_answer_by_the_quick_way_and_by_the_strict_one(
    value: Any, place: int, byte: int, harmed: bool
) -> None:
    data = bytearray(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="replace"))
    if harmed:
        data[place % len(data)] = byte
    quick = outcome(bytes(data))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(canonical, "_quickly", never)
        assert outcome(bytes(data)) == quick


@given(st.one_of(values, st.recursive(values | st.floats(), st.lists)))
@example({"a": 1e16, "b": [1.0, -0.0, 1e-7]})
@example([2**63, 2**64, -(2**63) - 1])
@example({"\U0001f600": 1, "\uffff": 2, "\x7f": "\x00\x1f\u2028"})
@example({1: 2, None: 3})
@example([(), {}, [], ([],)])
def test_what_is_written_is_what_the_standard_library_writes(value: Any) -> None:
    options: dict[str, Any] = {"sort_keys": True, "ensure_ascii": False, "allow_nan": False}
    for ours, layout, end in (
        (render, {"separators": (",", ":")}, ""),
        (render_document, {"indent": 2}, "\n"),
    ):
        try:
            expected = (json.dumps(value, **options, **layout) + end).encode()
        except (ValueError, TypeError) as error:
            with pytest.raises((TallyError, type(error))):
                ours(value)
        else:
            assert ours(value) == expected


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


@given(values, values)
def test_one_document_is_itself_and_no_other(one: object, other: object) -> None:
    assert same(one, read(render(one), "it"))
    assert same(one, other) is (render(one) == render(other))


def test_numbers_and_booleans_are_not_the_same() -> None:
    for one, other in ((1, True), (0, False), (1, 1.0), ([0], [False]), ({"a": 1}, {"a": True})):
        assert one == other
        assert not same(one, other)
    assert same({"a": 1, "b": 2}, {"b": 2, "a": 1})


def test_what_could_never_be_written_is_compared_all_the_same() -> None:
    deep: Any = []
    for _ in range(20_000):
        deep = [deep]
    for hostile in ("\ud800", {"\ud800": 1}, deep):
        assert not same(hostile, {"a": 1})
    with pytest.raises(MalformedError, match="half a letter"):
        holds(b'{"a": "\\ud800"}', {"a": "b"}, "it")


HALVES = st.integers(0xD800, 0xDFFF).map(lambda code: f"\\u{code:04x}")


@given(half=HALVES | HALVES.map(str.upper).map(lambda text: text.replace("U", "u")), at=st.integers(0, 3))
def test_half_a_letter_is_no_text_wherever_it_is(half: str, at: int) -> None:
    """As a value, as a name, deep in, and beside a whole letter that is written as two escapes."""
    document = ['"{}"', '{{"{}":1}}', '[[{{"a":["x{}y"]}}]]', '["\\ud83d\\ude00","{}"]'][at].format(half)
    with pytest.raises(MalformedError, match="half a letter"):
        read(document.encode(), "it")


def test_two_halves_are_a_letter() -> None:
    assert read(b'["\\ud83d\\ude00", "\\uD83D\\uDE00", "\\\\ud800"]', "it") == ["😀", "😀", "\\ud800"]


def test_a_file_holds_its_document() -> None:
    document: dict[str, Any] = {"a": [1, "\u00e9\x7f\x1f/<", None, True, 1.5, {}, []], "b": {"c": -1}}
    data = render_document(document)
    assert holds(data, document, "it")
    assert holds(render(document), document, "it")
    for position in range(len(data)):
        for bit in (1, 2, 32):
            changed = bytearray(data)
            changed[position] ^= bit
            try:
                if holds(bytes(changed), document, "it"):
                    assert same(json.loads(changed), document)
            except MalformedError:
                pass
    assert not holds(data, {**document, "b": {"c": True}}, "it")
    with pytest.raises(MalformedError):
        holds(b'{"a": 1, "a": 1}', {"a": 1}, "it")


@pytest.mark.parametrize("text", ["2026-11-22T10:00:00Z", "2026-11-22T11:00:00+01:00"])
def test_a_time(text: str) -> None:
    assert moment(text, "it") == datetime(2026, 11, 22, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "now", "2026-11-22T10:00:00", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+23:00"]
)
def test_no_time(text: str) -> None:
    with pytest.raises(MalformedError, match="no time"):
        moment(text, "it")


@pytest.mark.parametrize("text", [b"1e999", b"-1e999", b'{"a": [1e400]}'])
def test_a_number_beyond_all_measure(text: bytes) -> None:
    with pytest.raises(MalformedError, match="larger than any number"):
        read(text, "it")
    assert read(b"1.5e3", "it") == 1500.0


@pytest.mark.parametrize("value", [b"{}", b"[]", b"5", b'{"a":5}'])
def test_more_values_than_any_release_has_are_not_even_parsed(value: bytes) -> None:
    data = b"[" + b",".join([value] * (MOST_MARKS + 1)) + b"]"
    tracemalloc.start()
    try:
        with pytest.raises(MalformedError, match="more values than we read"):
            read(data, "it")
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_an_sbom_of_twenty_thousand_packages_fits(tmp_path: Path) -> None:
    facts = releases.observed(tmp_path).facts
    found = spdx2.document(bill_of(facts, materials_of(facts)))
    times = 20_000 // len(found["packages"]) + 1
    found |= {part: found[part] * times for part in ("packages", "relationships")}
    data = render(found)
    assert 1.2 * marks_in(data) < MOST_MARKS
    assert 1.2 * len(encoded(data)) < LARGEST_ENVELOPE
    assert read(data, "it") == found


FAR = "\N{GRINNING FACE}"


def test_one_letter_does_not_make_all_others_four_bytes_wide() -> None:
    data = b'{"a": "' + FAR.encode() + b'", "b": "' + b"x" * 4_000_000 + b'"}'
    tracemalloc.start()
    try:
        assert read(data, "it")["a"] == FAR
        assert tracemalloc.get_traced_memory()[1] < 4 * len(data)
    finally:
        tracemalloc.stop()


@given(
    st.lists(
        st.sampled_from(
            [*'"\\a[],:', FAR, "\\\\", "u0041", "\\u0041", "\\ud83d", "\\ude00", "\xe9", "\u2014"]
        ),
        max_size=12,
    ).map("".join)
)
@example(f"\\{FAR}")
@example(f"\\\\{FAR}")
@example("\\" * 6000 + FAR)
@example("\\" * 6001 + FAR)
@example(f"{FAR}\\ude00")
def test_letters_from_afar_mean_what_they_mean_elsewhere(text: str) -> None:
    """Also after backslashes, of which some escape what follows."""
    for data in (text, f'"{text}"'):
        try:
            expected = json.loads(data)
            json.dumps(expected, ensure_ascii=False).encode()  # half a letter is no text: ValueError as well
        except ValueError:
            with pytest.raises(MalformedError):
                read(data.encode(), "it")
        else:
            assert read(data.encode(), "it") == expected


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b'"\xf0\x9f"', "line 1 is not in UTF-8"),
        (b'"\xf4\x90\x80\x80"', "line 1 is not in UTF-8"),
        (b'"\xf0\xf0\x9f\x98\x80"', "line 1 is not in UTF-8"),
        (b'"' + FAR.encode() * 100_001 + b'"', "more than 100,000 letters"),
    ],
)
def test_letters_that_are_none_or_too_many(data: bytes, says: str) -> None:
    with pytest.raises(MalformedError, match=says):
        read(data, "it")


def test_an_envelope_has_a_limit() -> None:
    with pytest.raises(MalformedError, match="it is larger than 32 MiB"):
        read_envelope(b" " * (LARGEST_ENVELOPE + 1), "it")


BEFORE = b'{"a":"'


@given(st.binary(max_size=2000), st.binary(max_size=20))
def test_a_document_without_its_long_text(content: bytes, after: bytes) -> None:
    text = encoded(content).encode()
    assert hollowed(BEFORE + text + b'"' + after, BEFORE) == (BEFORE + b'"' + after, text)


@pytest.mark.parametrize(
    "data",
    [
        b"", BEFORE, BEFORE[:-1], BEFORE + b"QUJD",
        BEFORE + b'QUJD\\"}', BEFORE + b'QU\\/D"}', b" " + BEFORE + b'QUJD"}',
        BEFORE + b"A" * LARGEST_ENVELOPE + b'"}',
    ],
    ids=range(8),
)  # fmt: skip
def test_a_document_that_does_not_begin_so_stays_whole(data: bytes) -> None:
    assert hollowed(data, BEFORE) == (data, None)


@pytest.mark.parametrize("pair", ["[]", "{}"])
@pytest.mark.parametrize("strict", [False, True])
def test_what_is_nested_too_deeply(monkeypatch: pytest.MonkeyPatch, pair: str, strict: bool) -> None:
    """Of as many levels by both readers, and by as many calls within calls as a command may have."""
    begin, end = ("[", "]") if pair == "[]" else ('{"a":', "}")
    before = sys.getrecursionlimit()
    monkeypatch.setattr(canonical, "_QUICK", 0 if strict else canonical._QUICK)
    try:
        sys.setrecursionlimit(6000)
        for depth in (253, 254, 255, DEEPEST):
            assert read((begin * depth + "1" + end * depth).encode(), "it")
        for depth in (DEEPEST + 1, 3000, 5500, 100_000):
            with pytest.raises(MalformedError, match="it is nested too deeply"):
                read((begin * depth + "1" + end * depth).encode(), "it")
    finally:
        sys.setrecursionlimit(before)


@given(st.text(max_size=40), st.integers(0, 3))
def test_base_64_as_bytes_and_as_text_is_judged_alike(text: str, cut: int) -> None:
    for each in (text, encoded(text.encode())[: -cut or None]):
        try:
            found = decoded(each, "it")
        except MalformedError:
            with pytest.raises(MalformedError):
                decoded(each.encode(), "it")
        else:
            assert decoded(each.encode(), "it") == found
            assert encoded(found) == each


ODD = ["", "=", "==", "A", "A=", "A==", "\n", " ", "-", "_", "é", "\0", "A===", "B=", "AA"]


@given(
    st.binary(min_size=3, max_size=40),
    st.sampled_from(ODD),
    st.floats(0, 1),
    st.integers(0, 3),
    st.booleans(),
)
def test_long_base_64_is_judged_like_short(
    content: bytes, odd: str, where: float, cut: int, large: bool
) -> None:
    """pybase64 reads the long one: it must take no other text for the same bytes."""
    text = encoded(content * (1000 if large else 1))
    place = round(where * len(text))
    harmed = (text[:place] + odd + text[place:])[: -cut or None]
    with pytest.MonkeyPatch.context() as patch:
        told = []
        for short in (1 << 40, 0):  # never, and always
            patch.setattr(canonical, "_SHORT", short)
            for each in (harmed, harmed.encode()):
                try:
                    told.append(decoded(each, "it"))
                    assert encoded(told[-1]) == harmed
                except MalformedError as error:
                    told.append(str(error).split("base64")[0].encode())
    assert told == [told[0]] * 4


def test_a_document_has_one_form() -> None:
    in_one_form(b"{}", lambda: b"{}", "it")
    with pytest.raises(MalformedError, match="it is not written as releases are"):
        in_one_form(b"{} ", lambda: b"{}", "it")
    with pytest.raises(MalformedError, match="it: evidence cannot hold"):
        in_one_form(b"{}", lambda: render("\ud800"), "it")
