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
