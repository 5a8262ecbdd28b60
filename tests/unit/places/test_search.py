"""Where two results differ: plain files, what is compressed, and tar archives."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import random
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from placing import differing, tar, told

from orchestrator.agreement.cause import Cause
from orchestrator.agreement.trees import Side
from orchestrator.ground.values import replace
from orchestrator.places.budget import Budget, Limits, OutOfTimeError
from orchestrator.places.content import Held
from orchestrator.places.members import Member
from orchestrator.places.place import Aspect
from orchestrator.places.search import places
from orchestrator.places.tarfiles import Archive

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


def test_a_line_of_text(tmp_path: Path) -> None:
    same = b"one\ntwo\n"
    (place,) = differing(
        tmp_path, "note.txt", same + b"made on 2026-11-29 by x\n", same + b"made on 2026-11-30 by x\n"
    )
    assert (place.file, place.inside, place.offset) == ("note.txt", (), 24)
    assert (place.where, place.cause) == ("line 3", Cause.TIMESTAMP)
    assert place.values == ("made on 2026-11-29 by x", "made on 2026-11-30 by x")
    assert place.spot is not None
    assert place.spot.name == "note.txt"


def test_lines_of_texts_that_meet_again(tmp_path: Path) -> None:
    lines = [b"line %d\n" % number for number in range(100)]
    other = [*lines[:10], b"more\n", *lines[10:50], *lines[52:80], b"other\n", *lines[81:]]
    found = differing(tmp_path, "x", b"".join(lines), b"".join(other))
    assert [told(place) for place in found] == [
        "content line 11: line 10 | more",
        "content line 51: line 50 | line 52",
        "content line 81: line 80 | other",
    ]


def test_lines_in_another_order(tmp_path: Path) -> None:
    (place,) = differing(tmp_path, "x", b"a\nb\nc\n", b"a\nc\nb\n")
    assert (place.aspect, place.cause, place.where) == (
        Aspect.ORDER,
        Cause.ORDERING,
        "order of lines, from line 2",
    )


def test_bytes(tmp_path: Path) -> None:
    one, other = differing(
        tmp_path,
        "x",
        bytes(40) + b"\1" + bytes(40) + b"/build/a" + bytes(9),
        bytes(81) + b"/build/b" + bytes(9),
    )
    assert (one.offset, one.where, one.values[0][:5]) == (40, "", "01 00")
    assert (other.offset, other.values) == (88, ("/build/a", "/build/b"))


def test_what_one_side_has_more_of(tmp_path: Path) -> None:
    (place,) = differing(tmp_path, "x", b"abc", b"abcdef")
    assert (place.offset, place.values) == (3, ("nothing", "abcdef"))


def test_a_tree(tmp_path: Path) -> None:
    for side in ("a", "b"):
        (tmp_path / side).mkdir()
        (tmp_path / side / "link").symlink_to(f"/build/{side}")
    (tmp_path / "a/only").write_text("x")
    Path(os.fsdecode(os.fsencode(tmp_path / "b") + b"/\xff\n")).symlink_to("a\x1b[31m")
    found = list(places(Side("a", tmp_path / "a"), Side("b", tmp_path / "b")))
    assert [(place.file, told(place)) for place in found] == [
        ("link", "target : /build/a | /build/b"),
        ("only", "missing : a file | nothing"),
        ("\\xff\\n", "missing : nothing | a symbolic link"),
    ]
    assert found[0].spot is not None


@pytest.mark.parametrize("kind", PACKERS)
def test_what_is_compressed(tmp_path: Path, kind: str) -> None:
    pack = PACKERS[kind]
    (place,) = differing(tmp_path, "hello.1.x", pack(b"one\ntwo 1\n"), pack(b"one\ntwo 2\n"))
    assert told(place) == f"{kind} content line 2: two 1 | two 2"
    assert place.offset == 8


@pytest.mark.parametrize("kind", PACKERS)
def test_what_is_cut_off_is_told_as_it_is(tmp_path: Path, kind: str) -> None:
    whole = PACKERS[kind](os.urandom(2000))
    (place,) = differing(tmp_path, "x", whole, whole[:-30])
    assert place.inside == ()
    assert place.note.startswith(f"{kind}: it ")
    assert place.offset == len(whole) - 30


def test_gzips_header(tmp_path: Path) -> None:
    (place,) = differing(tmp_path, "x.gz", gzip.compress(b"x", mtime=1), gzip.compress(b"x", mtime=2))
    assert told(place) == "gzip time header: time: 1970-01-01 00:00:01Z | 1970-01-01 00:00:02Z"
    assert (place.offset, place.cause) == (4, Cause.TIMESTAMP)


def test_how_it_is_packed(tmp_path: Path) -> None:
    data = b"".join(b"%d," % number for number in range(5000))
    (place,) = differing(tmp_path, "x.xz", lzma.compress(data, preset=0), lzma.compress(data, preset=9))
    assert (place.aspect, place.where) == (Aspect.PACKING, "the same parts, packed in another way")


def test_tar_in_gzip(tmp_path: Path) -> None:
    entries: list[tuple[str, bytes]] = [(f"f{number}", b"x" * number * 100) for number in range(40)]
    other = list(entries)
    other[20] = ("f20", b"y" + other[20][1][1:])
    pack = PACKERS["gzip"]
    (place,) = differing(tmp_path, "x.tar.gz", pack(tar(*entries)), pack(tar(*other)))
    assert (place.offset, [str(step) for step in place.inside]) == (0, ["gzip", "tar:f20"])


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_tars_members(tmp_path: Path, form: int) -> None:
    long = "d/" * 60 + "f"
    found = differing(
        tmp_path,
        "x.tar",
        tar(
            ("a", b"a", {"mtime": 5}),
            (long, b"1"),
            ("u", b"u", {"uid": 7, "uname": "me"}),
            ("m", b"m", {"mode": 0o644}),
            ("s", b"", {"type": tarfile.SYMTYPE, "linkname": "x"}),
            ("o", b"o"),
            ("p", b"p"),
            ("q", b"q"),
            format=form,
        ),
        tar(
            ("a", b"a", {"mtime": 6}),
            (long, b"2"),
            ("u", b"u", {"uid": 8, "uname": "you"}),
            ("m", b"m", {"mode": 0o755}),
            ("s", b"", {"type": tarfile.SYMTYPE, "linkname": "y"}),
            ("p", b"p"),
            ("o", b"o"),
            format=form,
        ),
    )
    assert [told(place) for place in found] == [
        "tar:a time time: 1970-01-01 00:00:05Z | 1970-01-01 00:00:06Z",
        f"tar:{long} content line 1: 1 | 2",
        "tar:u owner owner: 7:0 me: | 8:0 you:",
        "tar:m mode mode: 0644 | 0755",
        "tar:s target target: x | y",
        "tar order order of members: p behind o | p behind s",
        "tar:q missing : a member | nothing",
    ]


def test_a_size_that_stands_in_an_extended_header(tmp_path: Path) -> None:
    one, other = (
        tar(("a", b"x" * 2000, {"pax_headers": {"size": "2000"}}), ("b", end)) for end in (b"1", b"2")
    )
    (place,) = differing(tmp_path, "x.tar", one, other)
    assert told(place) == "tar:b content line 1: 1 | 2"


def test_what_stands_behind_the_last_member(tmp_path: Path) -> None:
    whole = tar(("a", b"x"))
    (place,) = differing(tmp_path, "x.tar", whole, whole[:-3] + b"abc")
    assert place.where == "behind the last member"


def test_many_members_times_are_told_of_some(tmp_path: Path) -> None:
    one, other = (tar(*((f"f{n}", b"x", {"mtime": n + more}) for n in range(30))) for more in (0, 1))
    found = differing(tmp_path, "x.tar", one, other)
    assert [place.where for place in found] == ["time"] * 8 + ["time, as of 22 more members"]


def test_bombs_and_depth(tmp_path: Path) -> None:
    bomb = gzip.compress(bytes(1 << 20), mtime=0)
    limits = Limits(never_a_bomb=1000, ratio=10)
    (place,) = differing(tmp_path, "x", bomb, bomb + gzip.compress(b"x", mtime=0), limits)
    assert "unpack to more than" in place.note
    one, other = b"1", b"2"
    for _ in range(15):
        one, other = (gzip.compress(each, mtime=0) for each in (one, other))
    (place,) = differing(tmp_path, "x", one, other)
    assert place.note == "gzip: it lies in 12 containers already"
    assert len(place.inside) == 12


def test_too_many_members(tmp_path: Path) -> None:
    one, other = (tar(*((f"f{n}", b"x", {"mtime": n + more}) for n in range(30))) for more in (0, 1))
    found = differing(tmp_path, "x.tar", one, other, Limits(members=9))
    assert found[-1].note == "tar: it has more than 9 members, with all before it"


def test_no_time(tmp_path: Path) -> None:
    with pytest.raises(OutOfTimeError, match="0 seconds"):
        differing(tmp_path, "x", b"1", b"2", Limits(seconds=0))


@pytest.mark.parametrize("damage", range(60))
def test_damaged_archives_end_in_places(tmp_path: Path, damage: int) -> None:
    whole = bytearray(tar(("a", b"x" * 700, {"mtime": 5}), ("b" * 150, b"y"), format=tarfile.GNU_FORMAT))
    at = damage * len(whole) // 60
    whole[at : at + 40] = os.urandom(40)
    assert differing(tmp_path, "x.tar", bytes(whole), tar(("a", b"x" * 700), ("b" * 150, b"z")))


def test_two_versions_that_are_each_in_a_folder_of_its_own(tmp_path: Path) -> None:
    found = differing(
        tmp_path,
        "x.tar",
        tar(("app-1/a", b"same"), ("app-1/b", b"one")),
        tar(("app-2/a", b"same"), ("app-2/b", b"two")),
    )
    assert [told(place) for place in found] == [
        "tar field name of the folder that all is in: app-1 | app-2",
        "tar:b content line 1: one | two",
    ]


def test_other_ends_of_lines_are_none(tmp_path: Path) -> None:
    (place,) = differing(tmp_path, "x", b"one\rtwo\x0c three\nx\n", b"one\rtwo\x0c three 4\nx\n")
    assert (place.offset, place.where) == (14, "line 1")


@pytest.mark.parametrize("seed", range(40))
def test_the_first_offset_is_the_first_difference(tmp_path: Path, seed: int) -> None:
    """Whatever the bytes are, and however the sides differ in length."""
    chance = random.Random(seed)
    alphabet = [b"a\n", b"ab \r\n\x0c", bytes(range(256))][seed % 3]
    one = bytes(chance.choices(alphabet, k=chance.randrange(1, 3000)))
    at, more = chance.randrange(len(one)), bytes(chance.choices(alphabet, k=chance.randrange(4)))
    other = one[:at] + more + one[at + chance.randrange(5) :]
    if one == other:
        return
    first = differing(tmp_path, "x", one, other)[0]
    expected = next((i for i, (x, y) in enumerate(zip(one, other, strict=False)) if x != y), None)
    assert first.offset == (min(len(one), len(other)) if expected is None else expected)


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_plain_headers_are_read_as_tarfile_reads_them(form: int, monkeypatch: pytest.MonkeyPatch) -> None:
    types = [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE]
    names = ["a", "d/", "d/" * 60 + "e", "\u00fc", "x" * 100, ("y" * 80 + "/") + "z" * 40]
    data = tar(
        *(
            (
                name,
                b"" if kind != tarfile.REGTYPE else b"abc",
                {"type": kind, "linkname": "l", "mtime": 5, "uid": 7},
            )
            for name in names
            for kind in types
        ),
        format=form,
    )

    def read() -> list[tuple[Member, int, bytes | None]]:
        archive, found, at = Archive(Held(data), Budget(Limits())), [], 0
        while (entry := archive.at(at)) is not None:
            at = entry.end
            member = entry.member
            held = None if member.content is None else member.content().at(0, 99)
            found.append((replace(member, content=None), at, held))
        return found

    quick = read()
    monkeypatch.setattr(Archive, "_quick", lambda *_: None)
    assert quick == read()
    assert len(quick) == len(names) * len(types)


def test_members_that_one_side_lacks_cost_no_list_of_all(tmp_path: Path) -> None:
    entries: list[tuple[str, bytes]] = [(f"f{number:03}", b"%d" % number) for number in range(500)]
    other = [each for each in entries if each[0] not in ("f005", "f400")]
    other[300] = ("f301", b"x")
    other[450], other[451] = other[451], other[450]
    found = differing(tmp_path, "x.tar", tar(*entries), tar(*other))
    assert [told(place) for place in found] == [
        "tar:f301 content line 1: 301 | x",
        "tar order order of members: f453 behind f452 | f453 behind f451",
        "tar:f005 missing : a member | nothing",
        "tar:f400 missing : a member | nothing",
    ]


LONG = b'{"a": "' + b"x" * 168_000


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (LONG + b'1.0"}\n', LONG + b'1.10"}\n', [(168_009, 1)]),
        (LONG + b"1.0\nsame\n", LONG + b"1.10\nsame\n", [(168_009, 1)]),
        (b"1\n" + LONG + b"1\n2\n", b"11\n" + LONG + b"2\n3\n", [(1, 1), (168_009, 2), (168_011, 3)]),
        (LONG * 10, LONG * 10 + b"\n1", [(1_680_070, 1), (1_680_070, 2)]),
        (b"y\n" + LONG * 10 + b"1", b"\n" + LONG * 10, [(0, 1), (1_680_072, 2)]),
    ],
)
def test_lines_that_are_longer_than_any(
    tmp_path: Path, one: bytes, other: bytes, expected: list[tuple[int, int]]
) -> None:
    """As a bundle's: its payload is one."""
    found = differing(tmp_path, "x.json", one, other)
    assert [(place.offset, place.where) for place in found] == [
        (offset, f"line {line}") for offset, line in expected
    ]
    assert all(place.values[0] != place.values[1] for place in found)


def test_what_is_not_told_is_said(tmp_path: Path) -> None:
    """Eight of thirty differences are told; of eight nothing is left."""
    for count, said in ((30, "more of it differs"), (8, "")):
        other = b"".join(b"%dx\nsame %d\n" % (n, n) for n in range(count))
        one = b"".join(b"%d\nsame %d\n" % (n, n) for n in range(count))
        found = differing(tmp_path, "x", one, other)
        assert [place.note for place in found] == ["" for _ in range(7)] + [said]
