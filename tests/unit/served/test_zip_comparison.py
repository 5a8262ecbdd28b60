"""Two archives beside each other: identical, same contents, different, and never one for the other."""

from __future__ import annotations

import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zip_making import Member, zip_of

from orchestrator.served.grade import Aspect, Different, Identical, SameContents
from orchestrator.served.zip_comparison import compare
from orchestrator.served.zipfiles import OddZipError, read, shown

LATER = (2024, 6, 1, 0, 0, 2)
WHEEL = [
    Member("six.py", b"print(6)\n" * 50),
    Member("six-1.dist-info/WHEEL", b"Wheel-Version: 1.0\n"),
    Member("six-1.dist-info/RECORD", b"six.py,,\n"),
]


def test_every_byte_is_the_same() -> None:
    assert compare(zip_of(WHEEL), zip_of(WHEEL)) == Identical()


def test_a_flipped_byte_is_different() -> None:
    other = [WHEEL[0]._replace(data=b"print(7)\n" * 50), *WHEEL[1:]]
    grade = compare(zip_of(WHEEL), zip_of(other))
    assert isinstance(grade, Different)
    assert [each.name for each in grade.files] == ["six.py"]
    assert grade.files[0].made.startswith("450 bytes with sha256 ")


def test_a_changed_time_is_same_contents_and_identical_with_the_published_one() -> None:
    other = [*WHEEL[:2], WHEEL[2]._replace(moment=LATER)]
    grade = compare(zip_of(WHEEL), zip_of(other))
    assert isinstance(grade, SameContents)
    (remark,) = grade.remarks
    assert (remark.aspect, remark.entry) == (Aspect.TIME, "six-1.dist-info/RECORD")
    assert (remark.made, remark.served) == ("2024-05-17 10:20:30", "2024-06-01 00:00:02")
    assert grade.with_times == ("six-1.dist-info/RECORD",)


@pytest.mark.parametrize(
    ("other", "aspect"),
    [
        ([WHEEL[1], WHEEL[0], WHEEL[2]], Aspect.ORDER),
        ([WHEEL[0]._replace(level=1), *WHEEL[1:]], Aspect.COMPRESSION),
        ([WHEEL[0]._replace(method=zipfile.ZIP_STORED), *WHEEL[1:]], Aspect.COMPRESSION),
        ([WHEEL[0]._replace(mode=0o100664), *WHEEL[1:]], Aspect.MODE),
    ],
)
def test_another_container_is_same_contents_and_never_identical(other: list[Member], aspect: Aspect) -> None:
    grade = compare(zip_of(WHEEL), zip_of(other))
    assert isinstance(grade, SameContents)
    assert {each.aspect for each in grade.remarks} == {aspect}
    assert grade.with_times == ()


def test_times_and_a_mode_are_not_said_to_be_times_alone() -> None:
    other = [*WHEEL[:2], WHEEL[2]._replace(moment=LATER, mode=0o100664)]
    grade = compare(zip_of(WHEEL), zip_of(other))
    assert isinstance(grade, SameContents)
    assert {each.aspect for each in grade.remarks} == {Aspect.TIME, Aspect.MODE}
    assert grade.with_times == ()


def test_a_comment_is_the_containers() -> None:
    grade = compare(zip_of(WHEEL), zip_of(WHEEL, b"hello"))
    assert isinstance(grade, SameContents)
    assert [each.aspect for each in grade.remarks] == [Aspect.LAYOUT]


@pytest.mark.parametrize(
    "other",
    [
        WHEEL[:2],
        [*WHEEL, Member("more.py", b"")],
        [WHEEL[0]._replace(mode=0o120777), *WHEEL[1:]],
        [WHEEL[0]._replace(name="Six.py"), *WHEEL[1:]],
    ],
)
def test_names_and_types_are_contents(other: list[Member]) -> None:
    assert isinstance(compare(zip_of(WHEEL), zip_of(other)), Different)
    assert isinstance(compare(zip_of(other), zip_of(WHEEL)), Different)


HARMS = {
    "bytes before it": lambda data: b"#!/bin/sh\n" + data,
    "bytes behind it": lambda data: data + b"x",
    "half of it": lambda data: data[: len(data) // 2],
    "nothing": lambda data: b"",
    "another name in the local header": lambda data: data.replace(b"six.py", b"sax.py", 1),
    "another time in the local header": lambda data: data[:10] + b"\0\0" + data[12:],
    "another checksum in both": lambda data: data.replace(data[14:18], bytes(4)),
}


@pytest.mark.parametrize("harm", HARMS, ids=str)
def test_what_cannot_be_read_to_the_last_byte_is_refused(harm: str) -> None:
    odd = HARMS[harm](zip_of(WHEEL))
    with pytest.raises(OddZipError):
        compare(zip_of(WHEEL), odd)
    grade = compare(odd, zip_of(WHEEL))
    assert isinstance(grade, Different)
    assert "unreadable" in grade.files[0].made


def test_two_entries_of_one_name_are_refused() -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        odd = zip_of([WHEEL[0], WHEEL[0]])
    with pytest.raises(OddZipError, match="two entries of one name"):
        read(odd)


def test_a_name_that_does_not_print_is_escaped() -> None:
    assert shown(b"a\x1b[31m\xff") == "a\\x1b[31m\\xff"


moments = st.tuples(
    st.integers(1980, 2107),
    st.integers(1, 12),
    st.integers(1, 28),
    st.integers(0, 23),
    st.integers(0, 59),
    st.integers(0, 29).map(lambda half: 2 * half),
)
members = st.builds(
    Member,
    st.text(st.characters(codec="utf-8", exclude_characters="\0/\\"), min_size=1, max_size=12),
    st.binary(max_size=200),
    moments,
    st.sampled_from([0o100644, 0o100755, 0o100664]),
    st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
    st.integers(1, 9),
)
archives = st.lists(members, max_size=5, unique_by=lambda each: each.name)


@given(archives, st.data())
def test_any_archive_and_any_change_of_it(archive: list[Member], data: st.DataObject) -> None:
    one = zip_of(archive)
    assert compare(one, one) == Identical()
    changed = [
        each._replace(moment=data.draw(moments), mode=data.draw(st.sampled_from([0o100644, 0o100600])))
        for each in data.draw(st.permutations(archive))
    ]
    grade = compare(one, zip_of(changed))
    assert isinstance(grade, Identical if zip_of(changed) == one else SameContents)
    if archive:
        spot = data.draw(st.integers(0, len(archive) - 1))
        changed[spot] = changed[spot]._replace(data=changed[spot].data + b"!")
        assert isinstance(compare(one, zip_of(changed)), Different)


@given(archives, st.data())
def test_a_file_with_one_bit_turned_is_never_identical(archive: list[Member], data: st.DataObject) -> None:
    one = zip_of(archive)
    spot = data.draw(st.integers(0, len(one) * 8 - 1))
    turned = bytearray(one)
    turned[spot // 8] ^= 1 << spot % 8
    try:
        grade = compare(one, bytes(turned))
    except OddZipError:
        return
    assert not isinstance(grade, Identical)
    if isinstance(grade, SameContents):
        for before, after in zip(read(one).entries, read(bytes(turned)).entries, strict=True):
            assert (before.name, before.crc, before.size) == (after.name, after.crc, after.size)
