"""The tree: every proof of every small tree holds, and nothing that was changed in one does."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from orchestrator.log.merkle import (
    EMPTY_ROOT,
    HASH_SIZE,
    Growing,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root,
    verify_consistency,
    verify_inclusion,
)

SIZES = range(1, 34)
LEAVES = [leaf_hash(b"entry %d" % number) for number in range(40)]


def by_definition(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, as it is written there."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(by_definition(leaves[:split]), by_definition(leaves[split:]))


def subtree(level: int, index: int) -> bytes:
    width = 1 << level
    return by_definition(LEAVES[index * width : (index + 1) * width])


def test_hashes_are_told_apart_by_their_first_byte() -> None:
    assert leaf_hash(b"") == bytes.fromhex("6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d")
    assert leaf_hash(b"\x01" + bytes(64)) != node_hash(bytes(32), bytes(32))
    assert node_hash(b"a" * 32, b"b" * 32) == hashlib.sha256(b"\x01" + b"a" * 32 + b"b" * 32).digest()


def test_the_known_tree_of_the_first_implementation() -> None:
    """The eight inputs with which certificate-transparency's own tests begin, and their root."""
    inputs = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ]
    tree = Growing()
    for each in inputs:
        tree.add(leaf_hash(bytes.fromhex(each)))
    assert tree.root.hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


@pytest.mark.parametrize("size", [0, *SIZES])
def test_roots(size: int) -> None:
    tree = Growing()
    for leaf in LEAVES[:size]:
        tree.add(leaf)
    assert tree.size == size
    assert tree.root == root(size, subtree) == by_definition(LEAVES[:size])


def test_a_growing_tree_tells_which_subtrees_a_leaf_completes() -> None:
    tree, found = Growing(), {}
    for leaf in LEAVES:
        for level, index, value in tree.add(leaf):
            assert (level, index) not in found
            found[level, index] = value
    assert found == {
        (level, index): subtree(level, index) for level in range(6) for index in range(len(LEAVES) >> level)
    }


@pytest.mark.parametrize("size", SIZES)
def test_every_inclusion_proof_holds_for_its_own_leaf_alone(size: int) -> None:
    known = root(size, subtree)
    for index in range(size):
        proof = inclusion_proof(index, size, subtree)
        assert verify_inclusion(index, size, LEAVES[index], proof, known)
        for other in range(-1, size + 2):
            assert verify_inclusion(other, size, LEAVES[index], proof, known) == (other == index)
        assert not verify_inclusion(index, size, LEAVES[index + 1], proof, known)
        assert not verify_inclusion(index, size, LEAVES[index], proof, root(size + 1, subtree))
        for changed in _changes(proof):
            assert not verify_inclusion(index, size, LEAVES[index], changed, known)


def _changes(proof: tuple[bytes, ...]) -> Iterator[tuple[bytes, ...]]:
    yield (*proof, bytes(32))
    yield (bytes(32), *proof)
    for number, value in enumerate(proof):
        yield proof[:number] + proof[number + 1 :]
        yield (*proof[:number], value[:-1], *proof[number + 1 :])
        yield (*proof[:number], value[:-1] + bytes([value[-1] ^ 1]), *proof[number + 1 :])
        yield (*proof[:number], value, *proof[number:])


@pytest.mark.parametrize("new", SIZES)
def test_every_consistency_proof_holds_for_its_own_trees_alone(new: int) -> None:
    new_root = root(new, subtree)
    for old in range(new + 1):
        old_root = root(old, subtree)
        proof = consistency_proof(old, new, subtree)
        assert verify_consistency(old, old_root, new, new_root, proof)
        for changed in _changes(proof):
            assert not verify_consistency(old, old_root, new, new_root, changed), (old, new)
        if old:
            assert not verify_consistency(old, bytes(32), new, new_root, proof)
            assert not verify_consistency(old, old_root, new, bytes(32), proof)


@pytest.mark.parametrize("place", range(7))
def test_a_rewritten_leaf_has_no_consistency_proof(place: int) -> None:
    """Neither the honest proof nor that of the rewritten tree leads from the old root to its root."""
    rewritten = [*LEAVES[:place], leaf_hash(b"another"), *LEAVES[place + 1 :]]

    def other(level: int, index: int) -> bytes:
        return by_definition(rewritten[index << level : (index + 1) << level])

    old_root, new_root = root(7, subtree), root(20, other)
    assert not verify_consistency(7, old_root, 20, new_root, consistency_proof(7, 20, subtree))
    assert not verify_consistency(7, old_root, 20, new_root, consistency_proof(7, 20, other))


def test_a_tree_that_shrank_is_not_consistent() -> None:
    assert not verify_consistency(8, root(8, subtree), 7, root(7, subtree), ())
    assert not verify_consistency(8, root(8, subtree), 7, root(7, subtree), consistency_proof(7, 8, subtree))


def test_only_the_empty_root_is_that_of_the_empty_tree() -> None:
    assert verify_consistency(0, EMPTY_ROOT, 5, root(5, subtree), ())
    assert not verify_consistency(0, bytes(32), 5, root(5, subtree), ())
    assert not verify_consistency(0, EMPTY_ROOT, 0, bytes(32), ())
    assert not verify_inclusion(0, 0, LEAVES[0], (), LEAVES[0])


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_there_is_no_proof_for_a_leaf_that_is_not_there(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="no leaf"):
        inclusion_proof(index, size, subtree)


def test_there_is_no_proof_back_in_time() -> None:
    with pytest.raises(ValueError, match="does not begin"):
        consistency_proof(5, 4, subtree)


def test_numbers_beyond_all_measure_take_no_time() -> None:
    huge = 10**4000
    assert not verify_inclusion(huge - 1, huge, LEAVES[0], [bytes(32)] * 64, LEAVES[0])
    assert not verify_consistency(huge - 1, LEAVES[0], huge, LEAVES[1], [bytes(32)] * 64)


def test_hashes_have_their_size() -> None:
    assert len(EMPTY_ROOT) == HASH_SIZE
    assert not verify_inclusion(0, 1, b"", (), b"")
    assert not verify_consistency(1, b"", 1, b"", ())
