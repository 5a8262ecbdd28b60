"""Tiles: how a tree's hashes and its entries lie in files, 256 to a file. Pure.

Specification: C2SP tlog-tiles, "Merkle Tree" and "Log entries".
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from functools import reduce
from typing import Literal

from orchestrator.evidence.canonical import MalformedError
from orchestrator.log.merkle import HASH_SIZE, Growing, Subtrees

WIDTH = 256
"""Hashes in a full tile, entries in a full bundle."""
HEIGHT = 8
"""Levels of the tree in a tile: 2**8 is its width."""
LARGEST_ENTRY = 0xFFFF
"""Bytes: the length of an entry is written as two of them."""

Level = int | Literal["entries"]
ReadTile = Callable[[int, int, int], bytes]
"""`(level, index, width)` to the hashes of a tile."""


def path(level: Level, index: int, width: int = WIDTH) -> str:
    """Where a tile is, e.g. `tile/0/x001/x234/067` or `tile/entries/000.p/17`."""
    if index < 0 or not 1 <= width <= WIDTH:
        raise ValueError(f"no tile {index} of width {width}")
    thousands, last = divmod(index, 1000)
    parts = [f"{last:03d}"]
    while thousands:
        thousands, part = divmod(thousands, 1000)
        parts.insert(0, f"x{part:03d}")
    full = f"tile/{level}/{'/'.join(parts)}"
    return full if width == WIDTH else f"{full}.p/{width}"


def count(level: Level, size: int) -> int:
    """How many hashes, or entries, there are at a level of a tree of `size` leaves."""
    return size if level == "entries" else size >> (HEIGHT * level)


def width(level: Level, index: int, size: int) -> int:
    """How wide a tile is in a tree of `size` leaves: 0 where it has not begun, 256 where it is full."""
    return max(0, min(WIDTH, count(level, size) - index * WIDTH))


def levels(size: int) -> range:
    """The levels that have tiles in a tree of `size` leaves."""
    return range(max(1, (size.bit_length() + HEIGHT - 1) // HEIGHT) if size else 0)


def tiles_of(level: Level, size: int) -> Iterable[tuple[int, int]]:
    """Index and width of every tile of a level in a tree of `size` leaves."""
    total = count(level, size)
    return ((start // WIDTH, min(WIDTH, total - start)) for start in range(0, total, WIDTH))


def top(hashes: bytes) -> bytes:
    """The root over a tile's hashes: what a full tile is in the level above."""
    return reduce(_grown, _split(hashes), Growing()).root


def subtrees(size: int, read: ReadTile) -> Subtrees:
    """The complete subtrees of a tree of `size` leaves, from its tiles; each is read once."""
    seen: dict[tuple[int, int], bytes] = {}

    def subtree(level: int, index: int) -> bytes:
        tile_level, height = divmod(level, HEIGHT)
        tile, offset = divmod(index << height, WIDTH)
        if (tile_level, tile) not in seen:
            seen[tile_level, tile] = read(tile_level, tile, width(tile_level, tile, size))
        start, end = offset * HASH_SIZE, (offset + (1 << height)) * HASH_SIZE
        return top(seen[tile_level, tile][start:end])

    return subtree


def pack(entries: Iterable[bytes]) -> bytes:
    """Entries as they lie in an entry bundle: each after its length in two bytes."""
    return b"".join(struct.pack(">H", len(entry)) + entry for entry in entries)


def unpack(data: bytes, what: str) -> list[bytes]:
    """The entries of an entry bundle. Raises MalformedError."""
    entries, at = [], 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if at + 2 > len(data) or end > len(data):
            raise MalformedError(f"{what} ends in the middle of an entry")
        entries.append(data[at + 2 : end])
        at = end
    return entries


def _split(hashes: bytes) -> Iterable[bytes]:
    return (hashes[start : start + HASH_SIZE] for start in range(0, len(hashes), HASH_SIZE))


def _grown(tree: Growing, leaf: bytes) -> Growing:
    tree.add(leaf)
    return tree
