"""Into files with metadata of their own: compiled Python, images, documents, databases, catalogues, fonts."""

from __future__ import annotations

import importlib.util
import marshal
import random
import sqlite3
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from placing import differing, told

from orchestrator.agreement.cause import Cause
from orchestrator.places.budget import Limits

CODE = """
def made():
    return "2026-11-29 10:00:00"
class Thing:
    names = {"a", "b", "c"} and ("x", 1.5, 2**70, b"y", None, 3j)
"""


def pyc(source: str, time: int = 0, flags: int = 0) -> bytes:
    code = marshal.dumps(compile(source, "made.py", "exec"))
    return importlib.util.MAGIC_NUMBER + struct.pack("<III", flags, time, len(source)) + code


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    parts = [b"\x89PNG\r\n\x1a\n"]
    for name, data in chunks:
        parts.append(struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)))
    return b"".join(parts)


def pdf(made: str, text: bytes, identifier: str) -> bytes:
    stream = zlib.compress(text)
    return (
        b"%%PDF-1.4\n1 0 obj\n<< /CreationDate (D:%s) /Producer (x) >>\nendobj\n" % made.encode()
        + b"2 0 obj\n<< /Filter /FlateDecode /Length %d >>\nstream\n" % len(stream)
        + stream
        + b"\nendstream\nendobj\ntrailer\n<< /Info 1 0 R /ID [<%s> <%s>] >>\n%%%%EOF\n"
        % (identifier.encode(), identifier.encode())
    )


def sqlite(*statements: str) -> bytes:
    connection = sqlite3.connect(":memory:")
    for each in statements:
        connection.execute(each)
    connection.commit()
    data = connection.serialize()
    connection.close()
    return data


def mo(messages: dict[str, str]) -> bytes:
    texts = [[each.encode() for each in group] for group in (messages, messages.values())]
    start, tables, body = 28 + 16 * len(messages), [b"", b""], b""
    for number, group in enumerate(texts):
        for each in group:
            tables[number] += struct.pack("<2I", len(each), start + len(body))
            body += each + b"\0"
    head = struct.pack("<7I", 0x950412DE, 0, len(messages), 28, 28 + 8 * len(messages), 0, 0)
    return head + tables[0] + tables[1] + body


def font(made: int, glyphs: bytes) -> bytes:
    head = struct.pack(">4sIIIHHQQ", bytes(4), 0, made & 0xFFFF, 0x5F0F3CF5, 0, 1000, made, made) + bytes(18)
    start = 12 + 2 * 16
    return (
        b"\0\1\0\0"
        + struct.pack(">4H", 2, 0, 0, 0)
        + struct.pack(">4s3I", b"glyf", 0, start, len(glyphs))
        + struct.pack(">4s3I", b"head", 0, start + len(glyphs), len(head))
        + glyphs
        + head
    )


def squashfs(time: int, body: bytes) -> bytes:
    return (b"hsqs" + struct.pack("<II", 3, time)).ljust(96, b"\0") + body


def test_pycs_header(tmp_path: Path) -> None:
    (place,) = differing(tmp_path, "x.cpython-311.pyc", pyc(CODE, 5), pyc(CODE, 6))
    assert told(place) == ("pyc time header: time of the source: 1970-01-01 00:00:05Z | 1970-01-01 00:00:06Z")
    assert (place.offset, place.cause) == (8, Cause.TIMESTAMP)
    (place,) = differing(tmp_path, "x.cpython-311.pyc", pyc(CODE), pyc(CODE, flags=1))
    assert told(place) == "pyc field header: how it is checked: by time | by hash, unchecked"


def test_pycs_constants_by_name(tmp_path: Path) -> None:
    (place,) = differing(tmp_path, "x.pyc", pyc(CODE), pyc(CODE.replace("10:00:00", "10:00:07")))
    assert told(place) == ("pyc field module.made, constant 1: 2026-11-29 10:00:00 | 2026-11-29 10:00:07")
    assert place.cause is Cause.TIMESTAMP
    found = differing(tmp_path, "x.pyc", pyc(CODE), pyc(CODE.replace("2**70", "2**71")))
    assert [place.where for place in found] == ["module.Thing, constant 5"]


def test_the_order_of_a_set_in_a_pyc(tmp_path: Path) -> None:
    def of(*items: bytes) -> bytes:
        code = compile("x = y in {'a', 'b'}", "made.py", "exec")
        whole = marshal.dumps(code)
        one = marshal.dumps(frozenset({"a", "b"}))[1:5]
        at = whole.index(one)
        names = [whole.index(b"\x01" + each, at) for each in (b"a", b"b")]
        data = bytearray(whole)
        for place, item in zip(sorted(names), items, strict=True):
            data[place + 1 : place + 2] = item
        return importlib.util.MAGIC_NUMBER + bytes(12) + bytes(data)

    (place,) = differing(tmp_path, "x.pyc", of(b"a", b"b"), of(b"b", b"a"))
    assert (place.cause, place.where) == (Cause.ORDERING, "module, constant 0, order of a set")


def test_what_a_pyc_marks_as_used_again(tmp_path: Path) -> None:
    one = pyc(CODE)
    other = bytearray(one)
    other[16] ^= 0x80  # FLAG_REF of the module's code: its index is the first, and nothing names it
    found = differing(tmp_path, "x.pyc", one, bytes(other))
    assert found


def test_a_pyc_that_refers_to_itself_again_and_again(tmp_path: Path) -> None:
    def laughs(end: bytes) -> bytes:
        body = b"\xa9\x02" + b"i\1\0\0\0i" + end
        for number in range(60):
            body = b"\xa9\x02" + body + b"r" + struct.pack("<I", 61 - number)
        return importlib.util.MAGIC_NUMBER + bytes(12) + body

    assert differing(tmp_path, "x.pyc", laughs(b"\1\0\0\0"), laughs(b"\2\0\0\0"))


def test_png(tmp_path: Path) -> None:
    found = differing(
        tmp_path,
        "x.png",
        png(
            (b"IHDR", b"x" * 13),
            (b"tIME", b"\x07\xea\x0b\x1d\n\0\0"),
            (b"tEXt", b"Software\0first"),
            (b"IEND", b""),
        ),
        png(
            (b"IHDR", b"x" * 13),
            (b"tIME", b"\x07\xea\x0b\x1d\n\0\7"),
            (b"tEXt", b"Software\0other"),
            (b"IEND", b""),
        ),
    )
    assert [told(place) for place in found] == [
        "png:tIME time time: 2026-11-29 10:00:00 | 2026-11-29 10:00:07",
        "png:tEXt Software content : first | other",
    ]


def test_pdf(tmp_path: Path) -> None:
    found = differing(
        tmp_path,
        "x.pdf",
        pdf("20261129100000Z", b"Hello 1", "aa" * 16),
        pdf("20261129100007Z", b"Hello 2", "bb" * 16),
    )
    assert [told(place)[:70] for place in found] == [
        "pdf time CreationDate: (D:20261129100000Z) | (D:20261129100007Z)",
        "pdf field ID: <aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa> <aaaaaaaaaaaaaaaaaaaa",
        "pdf:2 0 obj content line 3: Hello 1 | Hello 2",
    ]


def test_sqlite(tmp_path: Path) -> None:
    made = "CREATE TABLE t (id INTEGER PRIMARY KEY, made TEXT)", "CREATE TABLE u (x)"
    found = differing(
        tmp_path,
        "x.db",
        sqlite(*made, "INSERT INTO t VALUES (1, 'a'), (2, '2026-11-29')", "INSERT INTO u VALUES (1)"),
        sqlite(*made, "INSERT INTO t VALUES (1, 'a'), (2, '2026-11-30')", "CREATE TABLE w (x)"),
    )
    assert [told(place) for place in found if not place.mirrors] == [
        "sqlite:t field row 2, column made: 2026-11-29 | 2026-11-30",
        "sqlite:u field number of rows: 1 row | 0 rows",
        "sqlite:w missing : nothing | a table or index",
    ]
    assert found[0].cause is Cause.TIMESTAMP
    assert all(place.mirrors for place in found[3:])


def test_gettexts_catalogues(tmp_path: Path) -> None:
    head = "Project-Id-Version: x\nPOT-Creation-Date: 2026-11-29 10:0{}+0000\n"
    found = differing(
        tmp_path,
        "x.mo",
        mo({"": head.format(0), "yes": "ja", "no": "nein"}),
        mo({"": head.format(7), "yes": "jo", "no": "nein"}),
    )
    expected = "time header: POT-Creation-Date: 2026-11-29 10:00+0000 | 2026-11-29 10:07+0000"
    assert [told(place) for place in found] == [f"mo {expected}", "mo:yes content line 1: ja | jo"]
    text = 'msgid ""\nmsgstr ""\n"POT-Creation-Date: 2026-11-29 10:0{}+0000\\n"\n\nmsgid "yes"\n'
    (tmp_path / "po").mkdir()
    (place,) = differing(tmp_path / "po", "x.po", text.format(0).encode(), text.format(7).encode())
    assert told(place) == f"po {expected}"


def test_a_font(tmp_path: Path) -> None:
    found = differing(tmp_path, "x.ttf", font(3_900_000_000, b"g1"), font(3_900_000_007, b"g2"))
    assert [(str(place.inside[0]), place.where, place.mirrors) for place in found] == [
        ("font:head", "created", False),
        ("font:head", "modified", False),
        ("font:head", "checksum", True),
        ("font:glyf", "line 1", False),
    ]


@pytest.fixture
def unsquashfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of that name that does as it is told, found before any other."""
    path = tmp_path / "bin/unsquashfs"
    path.parent.mkdir()
    monkeypatch.setenv("PATH", f"{path.parent}:/usr/bin:/bin")
    return path


def script(path: Path, *lines: str, unpack: str = "mkdir $5; tail -c 3 $6 > $5/f") -> None:
    listing = "".join(f"-rw-r--r-- 0/0   3 2026-11-29 10:00 squashfs-root{line}\n" for line in lines)
    path.write_text(f"#!/bin/sh\nif [ $1 = -UTC ]; then\ncat <<'E'\n{listing}E\nelse\n{unpack}\nfi\n")
    path.chmod(0o755)


def test_squashfs(tmp_path: Path, unsquashfs: Path) -> None:
    script(unsquashfs, "/f")
    first, second = differing(tmp_path, "x.sqfs", squashfs(5, b"one"), squashfs(6, b"two"))
    assert told(first) == "squashfs time superblock: time: 1970-01-01 00:00:05Z | 1970-01-01 00:00:06Z"
    assert told(second) == "squashfs:f content line 1: one | two"


@pytest.mark.parametrize(
    ("lines", "unpack", "why"),
    [
        (["/f"], "exit 1", "unsquashfs ended with 1"),
        (["/f"], "exec sleep 60", "unsquashfs took longer than 0 s"),
        (["/f", "/f"], "exit 1", "it holds two files of one name"),
        (["/../f"], "exit 1", "it holds a file that leads elsewhere"),
    ],
)
def test_a_squashfs_that_cannot_be_unpacked(
    tmp_path: Path,
    unsquashfs: Path,
    monkeypatch: pytest.MonkeyPatch,
    lines: list[str],
    unpack: str,
    why: str,
) -> None:
    if "sleep" in unpack:
        monkeypatch.setattr("orchestrator.places.unsquashing._SECONDS", 0.4)
    script(unsquashfs, *lines, unpack=unpack)
    _, place = differing(tmp_path, "x.sqfs", squashfs(5, b"one"), squashfs(6, b"two"))
    assert place.where == f"behind the superblock ({why}), line 1"


@pytest.mark.parametrize("text", [b"<html>\n<p>made %s</p>\n", b".TH X 1 %s\n"])
def test_pages_are_told_by_line(tmp_path: Path, text: bytes) -> None:
    one, other = (text % each for each in (b"2026-11-29", b"2026-11-30"))
    (place,) = differing(tmp_path, "x.html", one, other)
    assert (place.where.startswith("line "), place.cause) == (True, Cause.TIMESTAMP)


MADE: dict[str, Callable[[], bytes]] = {
    "x.pyc": lambda: pyc(CODE),
    "x.png": lambda: png((b"IHDR", b"x" * 13), (b"tEXt", b"a\0b"), (b"IEND", b"")),
    "x.pdf": lambda: pdf("2026", b"Hello", "aa"),
    "x.db": lambda: sqlite("CREATE TABLE t (a, b)", "INSERT INTO t VALUES (1, 'x'), (2, 'y')"),
    "x.mo": lambda: mo({"": "A: b\n", "yes": "ja"}),
    "x.ttf": lambda: font(5, b"glyphs"),
    "x.sqfs": lambda: squashfs(5, b"body"),
}


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("seed", range(30))
def test_damage_ends_in_places(tmp_path: Path, name: str, seed: int) -> None:
    chance = random.Random(seed)
    whole = MADE[name]()
    damaged = bytearray(whole)
    for _ in range(chance.randrange(1, 8)):
        damaged[chance.randrange(4, len(damaged))] = chance.choice([0, 1, 0xFF, 0x7F, 0x28])
    damaged = damaged[: chance.randrange(17, len(damaged) + 1)]
    if bytes(damaged) != whole:
        assert differing(tmp_path, name, whole, bytes(damaged), Limits(seconds=20))
