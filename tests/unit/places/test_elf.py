"""Into ELF files, by section and symbol. They are made here byte by byte, so that no compiler is needed."""

from __future__ import annotations

import random
import struct
import zlib
from pathlib import Path

import pytest
from placing import differing, told

from orchestrator.agreement.cause import Cause

_FLAGS = {".data": 3, ".rodata": 2, ".zip": 0x800}
_TYPES = {".symtab": 2, ".strtab": 3, ".shstrtab": 3, ".note.gnu.build-id": 7, ".bss": 8}


def elf(sections: dict[str, bytes], symbols: dict[str, tuple[int, int]] | None = None) -> bytes:
    """A 64-bit file; each section is at an address of its own, 0x1000 times its number."""
    strings = b"\0" + b"".join(name.encode() + b"\0" for name in symbols or {})
    if symbols:
        entries = [struct.pack("<IBBHQQ", 0, 0, 0, 0, 0, 0)]
        for name, (value, size) in symbols.items():
            at = strings.index(b"\0" + name.encode() + b"\0") + 1
            entries.append(struct.pack("<IBBHQQ", at, 1, 0, 1, value, size))
        sections = {**sections, ".symtab": b"".join(entries), ".strtab": strings}
    names = b"\0" + b"".join(name.encode() + b"\0" for name in [*sections, ".shstrtab"])
    sections = {**sections, ".shstrtab": names}
    body, headers = b"", [bytes(64)]
    for number, (name, data) in enumerate(sections.items(), 1):
        link = list(sections).index(".strtab") + 1 if name == ".symtab" else 0
        headers.append(
            struct.pack(
                "<IIQQQQIIQQ",
                names.index(b"\0" + name.encode() + b"\0") + 1,
                _TYPES.get(name, 1),
                _FLAGS.get(name, 0),
                number * 0x1000,
                64 + len(body),
                len(data),
                link,
                0,
                1,
                24 if name == ".symtab" else 0,
            )
        )
        body += data
    header = b"\x7fELF\2\1\1" + bytes(9) + struct.pack(
        "<HHIQQQIHHHHHH", 3, 62, 1, 0, 0, 64 + len(body), 0, 64, 0, 0, 64, len(headers), len(sections)
    )  # fmt: skip
    return header + body + b"".join(headers)


def build_id(data: bytes) -> bytes:
    return struct.pack("<III4s", 4, 20, 3, b"GNU\0") + data * 20


def test_what_matters_comes_before_the_build_id(tmp_path: Path) -> None:
    found = differing(
        tmp_path,
        "prog",
        elf(
            {
                ".note.gnu.build-id": build_id(b"\1"),
                ".text": b"\x90" * 64,
                ".rodata": b"\0banner built 2026-11-28\0",
            },
            {"banner": (0x3000, 24)},
        ),
        elf(
            {
                ".note.gnu.build-id": build_id(b"\2"),
                ".text": b"\x90" * 64,
                ".rodata": b"\0banner built 2026-11-29\0",
            },
            {"banner": (0x3000, 24)},
        ),
    )
    assert [told(place)[:60] for place in found] == [
        "elf:.rodata content symbol banner: banner built 2026-11-28 |",
        "elf:.note.gnu.build-id content : 01 01 01 01 01 01 01 01 01 ",
    ]
    assert [place.mirrors for place in found] == [False, True]
    assert found[0].cause is Cause.TIMESTAMP
    assert found[0].offset == 23


def test_sections_that_one_side_lacks_and_their_order(tmp_path: Path) -> None:
    found = differing(
        tmp_path,
        "x.so",
        elf({".a": b"a", ".b": b"b", ".only": b"x"}),
        elf({".b": b"b", ".a": b"a", ".other": b"x"}),
    )
    assert [told(place) for place in found][:3] == [
        "elf:.only missing : a section | nothing",
        "elf:.other missing : nothing | a section",
        "elf order order of sections: .a | .b",
    ]


def test_a_compressed_section(tmp_path: Path) -> None:
    def packed(text: bytes) -> bytes:
        return struct.pack("<IIQQ", 1, 0, len(text), 1) + zlib.compress(text)

    (place,) = differing(
        tmp_path,
        "x.o",
        elf({".zip": packed(b"/build/one" + bytes(50))}),
        elf({".zip": packed(b"/build/two" + bytes(50))}),
    )
    assert told(place) == "elf:.zip content : /build/one | /build/two"


@pytest.mark.parametrize("seed", range(80))
def test_damage_ends_in_places(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    whole = elf({".rodata": b"abc" * 20, ".text": b"\x90" * 64}, {"main": (0x2000, 64)})
    damaged = bytearray(whole)
    for _ in range(chance.randrange(1, 8)):
        damaged[chance.randrange(4, len(damaged))] = chance.choice([0, 1, 0xFF, 0x7F])
    damaged = damaged[: chance.randrange(20, len(damaged) + 1)]
    if bytes(damaged) != whole:
        assert differing(tmp_path, "x", whole, bytes(damaged))
