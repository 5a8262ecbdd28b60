"""Two contents beside each other: the difference is marked, and size does not matter."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.report.sides import Extract, Row, rows


def marked(row: Row) -> tuple[str, str]:
    left, right = ("".join(text for mark, text in cell.parts if mark) for cell in (row.left, row.right))
    return left, right


def test_the_words_that_differ_are_marked() -> None:
    found = rows(
        Extract(b"one\nbuilt 12:00 here\nend\n", 0, 6), Extract(b"one\nbuilt 12:07 here\nend\n", 0, 6)
    )
    assert [(row.left.place, row.differs) for row in found] == [("7", False), ("8", True), ("9", False)]
    assert marked(found[1]) == ("0", "7")


def test_a_line_that_one_side_has() -> None:
    found = rows(Extract(b"a\nb\nc\n"), Extract(b"a\nc\n"))
    (only,) = (row for row in found if row.differs)
    assert (only.left.place, only.right.place) == ("2", "")


def test_bytes_that_are_no_text_are_hexadecimal() -> None:
    found = rows(
        Extract(b"\x7fELF\0" + bytes(40) + b"\1", 256), Extract(b"\x7fELF\0" + bytes(40) + b"\2", 256)
    )
    (row,) = (row for row in found if row.differs)
    assert row.left.place == "00000120"
    assert marked(row) == (" 01", " 02")


def test_a_line_of_a_megabyte_is_shown_around_its_difference() -> None:
    found = rows(
        Extract(b"x" * 500_000 + b"1" + b"y" * 500_000), Extract(b"x" * 500_000 + b"2" + b"y" * 500_000)
    )
    assert marked(found[0]) == ("1", "2")
    assert sum(len(text) for _, text in found[0].left.parts) < 1000


def test_thousands_of_lines_take_no_longer_than_a_few() -> None:
    assert len(rows(Extract(b"\n" * 100_000), Extract(b"x\n" * 100_000))) <= 40


@given(st.binary(max_size=300), st.binary(max_size=300), st.integers(0, 40))
def test_any_two_contents_have_rows_that_print(one: bytes, other: bytes, start: int) -> None:
    for row in rows(Extract(one, start), Extract(other, start)):
        for cell in (row.left, row.right):
            assert all(text.isprintable() for _, text in cell.parts)
