"""Tiles: the paths and widths of the specification's own examples, and trees read back from tiles."""

from __future__ import annotations

import pytest

from orchestrator.evidence.canonical import MalformedError
from orchestrator.log import merkle, tiles
from orchestrator.log.merkle import Growing, leaf_hash


@pytest.mark.parametrize(
    ("level", "index", "width", "path"),
    [
        (0, 0, 256, "tile/0/000"),
        (0, 1234067, 256, "tile/0/x001/x234/067"),
        (2, 0, 1, "tile/2/000.p/1"),
        ("entries", 999, 255, "tile/entries/999.p/255"),
        ("entries", 1000, 256, "tile/entries/x001/000"),
    ],
)
def test_paths(level: tiles.Level, index: int, width: int, path: str) -> None:
    assert tiles.path(level, index, width) == path


@pytest.mark.parametrize(("index", "width"), [(-1, 256), (0, 0), (0, 257)])
def test_tiles_that_cannot_be(index: int, width: int) -> None:
    with pytest.raises(ValueError, match="no tile"):
        tiles.path(0, index, width)


def test_the_trees_of_the_specification() -> None:
    """tlog-tiles, "Partial Tiles": the trees of 70,000 and of 256 leaves."""
    assert list(tiles.levels(70_000)) == [0, 1, 2]
    assert list(tiles.tiles_of(0, 70_000))[-1] == (273, 112)
    assert list(tiles.tiles_of(1, 70_000)) == [(0, 256), (1, 17)]
    assert list(tiles.tiles_of(2, 70_000)) == [(0, 1)]
    assert list(tiles.tiles_of(0, 256)) == [(0, 256)]
    assert list(tiles.tiles_of(1, 256)) == [(0, 1)]
    assert list(tiles.levels(256)) == [0, 1]
    assert list(tiles.levels(255)) == [0]
    assert list(tiles.levels(0)) == []
    assert tiles.width(0, 274, 70_000) == 0
    assert tiles.width("entries", 273, 70_000) == 112


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 300, 511, 512, 700])
def test_a_tree_is_read_back_from_its_tiles(size: int) -> None:
    tree, known = Growing(), {}
    stored: dict[tuple[int, int], bytes] = {}
    for number in range(size):
        for level, index, found in tree.add(leaf_hash(b"%d" % number)):
            known[level, index] = found
            if level % tiles.HEIGHT == 0:
                tile = level // tiles.HEIGHT, index // tiles.WIDTH
                stored[tile] = stored.get(tile, b"") + found
    read = []

    def reading(level: int, index: int, width: int) -> bytes:
        read.append((level, index))
        assert len(stored[level, index]) == width * merkle.HASH_SIZE
        return stored[level, index]

    subtree = tiles.subtrees(size, reading)
    for (level, index), found in known.items():
        assert subtree(level, index) == found
    assert merkle.root(size, subtree) == tree.root
    assert len(read) == len(set(read))


def test_entries_are_packed_with_their_lengths() -> None:
    entries = [b"", b"one", b"x" * tiles.LARGEST_ENTRY]
    data = tiles.pack(entries)
    assert data[:7] == b"\x00\x00\x00\x03one"
    assert tiles.unpack(data, "it") == entries
    assert tiles.unpack(b"", "it") == []


@pytest.mark.parametrize("data", [b"\x00", b"\x00\x01", b"\x00\x02a", b"\x00\x01ab"])
def test_torn_entry_bundles_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedError, match="the bundle ends"):
        tiles.unpack(data, "the bundle")
