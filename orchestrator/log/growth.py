"""What adding entries to a log makes of its tiles: the files to write, the new root, the proofs. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.log import merkle, tiles
from orchestrator.log.merkle import HASH_SIZE, leaf_hash
from orchestrator.log.tiles import WIDTH, Level

ReadFile = Callable[[Level, int, int], bytes]
"""`(level, index, width)` to the bytes of a tile or an entry bundle."""


@dataclass(frozen=True, slots=True)
class Grown:
    """A log after some entries were added to it, none of it written yet."""

    old_root: bytes
    """The root that the log had, by its tiles."""
    size: int
    root: bytes
    files: Mapping[str, bytes]
    """Path in the log to bytes: the tiles and entry bundles that were not there before."""
    proofs: tuple[tuple[bytes, ...], ...]
    """The inclusion proof of each added entry in the new tree."""


def grow(size: int, entries: Sequence[bytes], read: ReadFile) -> Grown:
    """Add entries to a log of `size` entries, whose tiles `read` gives."""
    writing = _Writing(size, read)
    for number, entry in enumerate(entries, size):
        writing.add("entries", number, tiles.pack([entry]))
        _add_hash(writing, 0, number, leaf_hash(entry))
    new_size = size + len(entries)
    files = writing.files()

    def tile(level: int, index: int, width: int) -> bytes:
        new = files.get(tiles.path(level, index, width))
        return read(level, index, width) if new is None else new

    subtrees = tiles.subtrees(new_size, tile)
    return Grown(
        old_root=merkle.root(size, subtrees),  # what is added changes no complete subtree
        size=new_size,
        root=merkle.root(new_size, subtrees),
        files=files,
        proofs=tuple(merkle.inclusion_proof(number, new_size, subtrees) for number in range(size, new_size)),
    )


def _add_hash(writing: _Writing, level: int, number: int, found: bytes) -> None:
    """Add a hash to a level; a tile that it fills is a hash of the level above."""
    full = writing.add(level, number, found)
    if full is not None:
        assert len(full) == WIDTH * HASH_SIZE, "a full tile"
        _add_hash(writing, level + 1, number // WIDTH, tiles.top(full))


class _Writing:
    """Tiles that are being filled: the last one of each level, and those that were filled meanwhile."""

    def __init__(self, size: int, read: ReadFile) -> None:
        self._size, self._read = size, read
        self._full: dict[str, bytes] = {}
        self._last: dict[Level, tuple[int, int, bytearray]] = {}
        """Index, width and bytes."""

    def add(self, level: Level, number: int, data: bytes) -> bytes | None:
        """Add the piece with this number to a level; the tile's bytes if that fills it."""
        index, offset = divmod(number, WIDTH)
        if level not in self._last:
            before = self._read(level, index, offset) if offset else b""
            self._last[level] = index, offset, bytearray(before)
        _, _, filled = self._last[level]
        filled += data
        if offset + 1 < WIDTH:
            self._last[level] = index, offset + 1, filled
            return None
        self._full[tiles.path(level, index)] = bytes(filled)
        self._last[level] = index + 1, 0, bytearray()
        return bytes(filled)

    def files(self) -> dict[str, bytes]:
        last = {
            tiles.path(level, index, width): bytes(data)
            for level, (index, width, data) in self._last.items()
            if width
        }
        return self._full | last
