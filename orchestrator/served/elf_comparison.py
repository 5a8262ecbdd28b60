"""Whether two programs or libraries differ in nothing but the build id and debug data. Pure.

The build id is a hash over what a compiler was given and said; debug data and the link to it follow. Only
bytes that no program sees while it runs may differ, and the build id's own: everything else has to be equal,
at the same place.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import Final

MAGIC: Final = b"\x7fELF"
_ELF64: Final = b"\x7fELF\x02"
_SECTION_TABLE: Final = ((0x28, 0x30), (0x3C, 0x40))
"""Where the header of a 64-bit file says where its sections are, and how many: nobody who runs it looks."""
_SHOWN: Final = 200
_ALLOC: Final = 0x2
_DEBUG: Final = (".debug_", ".zdebug_")
_LINKS: Final = (".gnu_debuglink", ".gnu_debugaltlink", ".gnu_debugdata")
_BUILD_ID: Final = ".note.gnu.build-id"
_NOTE: Final = struct.Struct("<III4s")
_NT_GNU_BUILD_ID: Final = 3
_LONGEST_ID: Final = 64
_SECTIONS: Final = 10_000


def alike_but_for_debug_data(made: bytes | memoryview, served: bytes | memoryview) -> bool:
    """Whether both are ELF files that differ in the build id and debug data alone."""
    if len(made) != len(served) or made[:4] != MAGIC or served[:4] != MAGIC:
        return False
    try:
        ranges = [tuple(_unseen(bytes(each))) for each in (made, served)]
    except Exception:  # noqa: BLE001  (the reader's library has many, and some of Python's own)
        return False
    if ranges[0] != ranges[1]:
        return False
    blank = [bytearray(each) for each in (made, served)]
    for start, end in ranges[0]:
        for each in blank:
            each[start:end] = bytes(end - start)
    return blank[0] == blank[1]


def compilers(made: bytes | memoryview, served: bytes | memoryview) -> tuple[str, str] | None:
    """What compiler each names, where both are the same program to whoever runs it; None: they are not.

    Everything that is loaded is equal, the build id aside. That is no class: a compiler is what it is.
    """
    if made[:5] != _ELF64 or served[:5] != _ELF64:
        return None
    try:
        (left, one), (right, other) = (_as_loaded(bytes(each)) for each in (made, served))
    except Exception:  # noqa: BLE001  (the reader's library has many, and some of Python's own)
        return None
    return (one, other) if left == right and left and one != other else None


def _as_loaded(data: bytes) -> tuple[list[tuple[object, ...]], str]:
    """The segments, each with its bytes, and `.comment`. Raises whatever the library raises."""
    from elftools.elf.elffile import ELFFile

    blank, file = bytearray(data), ELFFile(io.BytesIO(data))
    for start, end in (*_unseen(data), *_SECTION_TABLE):
        blank[start:end] = bytes(end - start)
    segments: list[tuple[object, ...]] = []
    for one in file.iter_segments():
        header = one.header
        begin, size = header["p_offset"], header["p_filesz"]
        segments.append((*sorted(header.items()), bytes(blank[begin : begin + size])))
    comment = file.get_section_by_name(".comment")
    text = b"" if comment is None else comment.data()[:_SHOWN]
    return segments, ", ".join(each.decode("ascii", "replace") for each in text.split(b"\0") if each)


def _unseen(data: bytes) -> Iterator[tuple[int, int]]:
    """Where the bytes are that may differ. Raises whatever a file that is none makes the library raise."""
    from elftools.elf.elffile import ELFFile

    file = ELFFile(io.BytesIO(data))
    if file.num_sections() > _SECTIONS:
        raise ValueError
    loaded = [
        (one["p_offset"], one["p_offset"] + one["p_filesz"])
        for one in file.iter_segments()
        if one["p_type"] == "PT_LOAD"
    ]
    for section in file.iter_sections():
        start, end = section["sh_offset"], section["sh_offset"] + section["sh_size"]
        if section["sh_type"] == "SHT_NOBITS" or end > len(data):
            continue
        if section.name == _BUILD_ID and section["sh_type"] == "SHT_NOTE":
            name, length, kind, owner = _NOTE.unpack_from(data, start)
            if (name, kind, owner) == (4, _NT_GNU_BUILD_ID, b"GNU\0") and length <= _LONGEST_ID:
                yield start + _NOTE.size, min(start + _NOTE.size + length, end)
        elif section.name.startswith(_DEBUG) or section.name in _LINKS:
            apart = all(end <= low or start >= high for low, high in loaded)
            if apart and not section["sh_flags"] & _ALLOC:
                yield start, end
