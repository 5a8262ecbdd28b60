"""Into zip, ar, deb and NAR: the right place, and no harm from archives that lie."""

from __future__ import annotations

import bz2
import gzip
import io
import itertools
import lzma
import os
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from placing import differing, tar, told

from orchestrator.ground.nar import dump
from orchestrator.places.budget import Limits


def zipped(*entries: tuple[str, bytes, int], method: int = zipfile.ZIP_DEFLATED, mode: int = 0o644) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, data, second in entries:
            info = zipfile.ZipInfo(name, (2026, 11, 29, 10, 0, second))
            info.compress_type, info.external_attr = method, (0o100000 | mode) << 16
            archive.writestr(info, data)
    return packed.getvalue()


def ar(*entries: tuple[bytes, int, bytes]) -> bytes:
    parts = [b"!<arch>\n"]
    for name, time, data in entries:
        parts.append(b"%-16s%-12d%-6d%-6d%-8s%-10d`\n" % (name, time, 0, 0, b"100644", len(data)))
        parts.append(data + b"\n" * (len(data) % 2))
    return b"".join(parts)


def nar(folder: Path, files: dict[str, bytes]) -> bytes:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return b"".join(dump(folder))


def test_zip(tmp_path: Path) -> None:
    found = differing(
        tmp_path,
        "x.whl",
        zipped(("a", b"a1\n", 0), ("b", b"b", 0), ("c", b"c", 2), ("d", b"d", 0)),
        zipped(("a", b"a2\n", 0), ("c", b"c", 4), ("b", b"b", 0)),
    )
    assert [told(place) for place in found] == [
        "zip order order of members: b | c",
        "zip:a content line 1: a1 | a2",
        "zip:c time time: 2026-11-29 10:00:02 | 2026-11-29 10:00:04",
        "zip:d missing : a member | nothing",
    ]


def test_how_zip_members_are_packed(tmp_path: Path) -> None:
    found = differing(
        tmp_path,
        "x.jar",
        zipped(("a", b"a" * 99, 0), method=zipfile.ZIP_STORED, mode=0o600),
        zipped(("a", b"a" * 99, 0)),
    )
    assert [told(place) for place in found] == [
        "zip:a mode mode: -rw------- | -rw-r--r--",
        "zip:a field compression: stored | deflated",
    ]


def test_a_zip_within_a_tar_within_a_zip(tmp_path: Path) -> None:
    one, other = (
        zipped(("t.tar", tar(("z.zip", zipped(("deep", each, 0)))), 0)) for each in (b"one", b"other")
    )
    (place,) = differing(tmp_path, "x.zip", one, other)
    assert [str(step) for step in place.inside] == ["zip:t.tar", "tar:z.zip", "zip:deep"]


def test_a_zip_that_lies_about_sizes(tmp_path: Path) -> None:
    one = zipped(("a", b"x" * 5000, 0))
    other = bytearray(one)
    at = other.index(b"PK\1\2")
    other[at + 24 : at + 28] = struct.pack("<I", 10)  # the size in the central directory
    (place,) = differing(tmp_path, "x.zip", one, bytes(other))
    assert (str(place.aspect), place.offset) == ("packing", at + 24)
    other[at + 24 : at + 28] = struct.pack("<I", 1 << 31)
    other[at + 12] ^= 1  # so that it is another member by its time
    places = differing(tmp_path, "x.zip", one, bytes(other))
    assert places[0].where == "time"


def test_a_bomb_in_a_zip(tmp_path: Path) -> None:
    one, other = (zipped(("a", bytes(1 << 20), 0), ("b", each, 0)) for each in (b"1", b"2"))
    found = differing(tmp_path, "x.zip", one, other, Limits(never_a_bomb=1000, ratio=10))
    assert [told(place) for place in found] == ["zip:b content line 1: 1 | 2"], (
        "equal members are not unpacked"
    )
    one, other = (zipped(("a", bytes(1 << 20) + each, 0)) for each in (b"1", b"2"))
    (place,) = differing(tmp_path, "x.zip", one, other, Limits(never_a_bomb=1000, ratio=10))
    assert "unpack to more than" in place.note


def test_ar(tmp_path: Path) -> None:
    long = b"//", 0, b"a-very-long-name-of-an-object.o/\n"
    found = differing(
        tmp_path,
        "lib.a",
        ar(
            (b"/", 5, b"\0\0\0\1table"), long, (b"/0", 5, b"one"), (b"y.o/", 7, b"y"), (b"#1/4", 7, b"bsd\0x")
        ),
        ar(
            (b"/", 6, b"\0\0\0\1tabel"), long, (b"/0", 5, b"two"), (b"y.o/", 8, b"y"), (b"#1/4", 7, b"bsd\0z")
        ),
    )
    assert [told(place) for place in found] == [
        "ar:symbol table time time: 1970-01-01 00:00:05Z | 1970-01-01 00:00:06Z",
        "ar:a-very-long-name-of-an-object.o content line 1: one | two",
        "ar:y.o time time: 1970-01-01 00:00:07Z | 1970-01-01 00:00:08Z",
        "ar:bsd content line 1: x | z",
        "ar:symbol table content symbol table: table | tabel",
    ]
    assert [place.mirrors for place in found] == [False] * 4 + [True]


def test_deb(tmp_path: Path) -> None:
    one, other = (
        ar(
            (b"debian-binary", 1, b"2.0\n"),
            (b"control.tar", 1, tar(("control", b"x"))),
            (b"data.tar", 1, tar(("usr/f", each))),
        )
        for each in (b"1", b"2")
    )
    (place,) = differing(tmp_path, "x.deb", one, other)
    assert told(place) == "deb:data.tar > tar:usr/f content line 1: 1 | 2"


COMPRESSED: dict[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    ".gz": lambda data: gzip.compress(data, mtime=0),
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
    ".zst": zstandard.compress,
}
KINDS = {"": "none", ".gz": "gzip", ".xz": "xz", ".bz2": "bzip2", ".zst": "zstd"}


@pytest.mark.parametrize(("one", "other"), list(itertools.permutations(COMPRESSED, 2)))
def test_what_is_compressed_in_another_way(tmp_path: Path, one: str, other: str) -> None:
    """As by `dpkg-deb -Z`, or between layers of images: what it unpacks to is compared."""
    files = [tar(("usr/f", each)) for each in (b"1", b"2")]
    compression = f"packing compression: {KINDS[one]} | {KINDS[other]}"
    found = differing(tmp_path, "x", COMPRESSED[one](files[0]), COMPRESSED[other](files[1]))
    assert [told(place) for place in found] == [
        compression,
        "unpacked > tar:usr/f content line 1: 1 | 2",
    ]
    (place,) = differing(tmp_path, "x", COMPRESSED[one](files[0]), COMPRESSED[other](files[0]))
    assert told(place) == compression, "what is in it is the same"

    packages = [
        ar((b"debian-binary", 1, b"2.0\n"), (b"data.tar" + ending.encode(), 1, COMPRESSED[ending](file)))
        for ending, file in zip((one, other), files, strict=True)
    ]
    (tmp_path / "deb").mkdir()
    found = differing(tmp_path / "deb", "x.deb", packages[0], packages[1])
    assert [told(place) for place in found] == [
        f"deb:data.tar{one} {compression}",
        f"deb:data.tar{one} > unpacked > tar:usr/f content line 1: 1 | 2",
    ]


def test_what_is_compressed_on_one_side_and_broken(tmp_path: Path) -> None:
    broken = bytearray(lzma.compress(b"1" * 5000))
    broken[20] ^= 255
    places = differing(tmp_path, "x", b"1" * 5000, bytes(broken))
    assert "none and xz: it is not xz as it says" in places[-1].note
    bomb = gzip.compress(bytes(1 << 20))
    places = differing(tmp_path, "x", b"1", bomb, Limits(never_a_bomb=1000, ratio=10))
    assert "unpack to more than" in places[-1].note


def test_nar(tmp_path: Path) -> None:
    (tmp_path / "1/bin").mkdir(parents=True)
    (tmp_path / "2").mkdir()
    one = nar(tmp_path / "1", {"a/b/c": b"1", "a/x": b"x", "z": b"z"})
    (tmp_path / "2/bin").symlink_to("/build")
    (tmp_path / "2/z").touch(mode=0o755)
    other = nar(tmp_path / "2", {"a/b/c": b"2", "z": b"z", "q": b"q"})
    found = differing(tmp_path, "x.nar", one, other)
    assert [told(place) for place in found] == [
        "nar:a/b/c content line 1: 1 | 2",
        "nar:a/x missing : a member | nothing",
        "nar:bin type type: a folder | a symbolic link",
        "nar:bin target target:  | /build",
        "nar:z executable executable: not executable | executable",
        "nar:q missing : nothing | a member",
    ]


def test_a_nar_whose_names_leave_their_folder(tmp_path: Path) -> None:
    one = nar(tmp_path / "1", {"abc": b"1"})
    (place,) = differing(tmp_path, "x.nar", one, one.replace(b"abc", b"../"))
    assert place.note == "nar: it has a name that no folder has"


PACKED: dict[str, Callable[[bytes, Path], bytes]] = {
    "zip": lambda data, _: zipped(("a", data, 0), ("b", b"y" * 300, 0)),
    "ar": lambda data, _: ar((b"a/", 0, data), (b"b/", 0, b"y" * 300)),
    "nar": lambda data, folder: nar(folder, {"a": data, "b/c": b"y" * 300}),
}


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.parametrize("seed", range(40))
def test_damage_ends_in_places(tmp_path: Path, kind: str, seed: int) -> None:
    chance = random.Random(seed)
    whole = PACKED[kind](b"x" * 300, tmp_path / "n")
    damaged = bytearray(whole)
    for _ in range(chance.randrange(1, 6)):
        damaged[chance.randrange(len(damaged))] = chance.choice([0, 1, 0xFF, 0x7F, 0x2F])
    damaged = damaged[: chance.randrange(20, len(damaged) + 1)]
    if bytes(damaged) != whole:
        assert differing(tmp_path, "x", whole, bytes(damaged))


def test_names_that_do_not_print_are_escaped(tmp_path: Path) -> None:
    (place,) = differing(
        tmp_path, "x.tar", tar(("a\x1b[31m\u202e", b"1")), tar(("a\x1b[31m\u202e", os.urandom(1)))
    )
    assert place.inside[0].name == "a\\x1b[31m\\u202e"


def test_lists_of_digests_only_mirror(tmp_path: Path) -> None:
    one, other = (
        zipped(("x.py", each, 0), ("x-1.dist-info/RECORD", b"x.py,sha256=" + each, 0))
        for each in (b"1", b"2")
    )
    found = differing(tmp_path, "x.whl", one, other)
    assert [place.mirrors for place in found] == [False, True]


def test_a_tar_member_that_says_that_it_is_larger_than_the_archive(tmp_path: Path) -> None:
    one, other = (bytearray(tar(("a", b"x"), ("b", each))) for each in (b"1", b"2"))
    for side in (one, other):
        header = side[1024 : 1024 + 512]
        header[124:136] = b"77777777777\0"
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        side[1024 : 1024 + 512] = header
    (place,) = differing(tmp_path, "x.tar", bytes(one), bytes(other))
    assert "says that it holds more than it does" in place.note or place.note.startswith("tar: ")


def test_a_zip_whose_members_have_no_name(tmp_path: Path) -> None:
    sides = [bytearray(zipped(("a", data, 0))) for data in (b"1\n", b"2\n")]
    for side in sides:
        side[side.index(b"PK\1\2") + 46] = 0  # a name ends at a NUL
    (found,) = differing(tmp_path, "x.zip", bytes(sides[0]), bytes(sides[1]))
    assert "differ" in found.note
