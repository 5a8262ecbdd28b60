"""The Merkle tree of a transparency log: hashes, proofs, and how a proof is checked. Pure.

Specification: RFC 6962, section 2.1, and RFC 9162, section 2.1, which is the same tree with algorithms for
the verifier. All hashes are sha256, 32 bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

HASH_SIZE = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()
"""The root of a tree without leaves."""

Subtrees = Callable[[int, int], bytes]
"""`(level, index)` to the root of the complete subtree of 2**level leaves that starts at leaf
`index * 2**level`. Level 0 is the leaf hashes."""


def leaf_hash(data: bytes) -> bytes:
    """The hash of an entry (RFC 6962, section 2.1)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node (RFC 6962, section 2.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether `leaf`, a leaf *hash*, is number `index` (from 0) in the tree of `size` leaves with this root.

    RFC 9162, section 2.1.3.2; the comments are its steps.
    """
    if not _hashes(leaf, root, *proof):
        return False
    # 1. The index is one of this tree.
    if not 0 <= index < size:
        return False
    # 2. and 3.
    number, last, found = index, size - 1, leaf
    # 4. Each hash of the proof is the sibling on the way to the root.
    for sibling in proof:
        if last == 0:
            return False
        if number & 1 or number == last:
            found = node_hash(sibling, found)
            while number and not number & 1:
                number, last = number >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        number, last = number >> 1, last >> 1
    # 5. The way ends at the root.
    return last == 0 and found == root


def verify_consistency(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Whether the tree of `new_size` leaves begins with all leaves of the old one, unchanged.

    RFC 9162, section 2.1.4.2; the comments are its steps. Every tree begins with the empty one.
    """
    if not _hashes(old_root, new_root, *proof) or not 0 <= old_size <= new_size:
        return False
    if old_size == 0:
        return old_root == EMPTY_ROOT and not proof and (new_size > 0 or new_root == EMPTY_ROOT)
    if old_size == new_size:
        return old_root == new_root and not proof
    # 1. Between two sizes there is something to prove.
    if not proof:
        return False
    # 2. A complete old tree is a node of the new one.
    path = [old_root, *proof] if old_size & (old_size - 1) == 0 else list(proof)
    # 3. and 4.
    number, last = old_size - 1, new_size - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    # 5.
    old = new = path[0]
    # 6. The same nodes make both roots.
    for sibling in path[1:]:
        if last == 0:
            return False
        if number & 1 or number == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while number and not number & 1:
                number, last = number >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        number, last = number >> 1, last >> 1
    # 7.
    return last == 0 and old == old_root and new == new_root


def root(size: int, subtrees: Subtrees) -> bytes:
    """The root of the tree of the first `size` leaves (RFC 9162, section 2.1.1)."""
    return _root(0, size, subtrees) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, subtrees: Subtrees) -> tuple[bytes, ...]:
    """What `verify_inclusion` wants, for a leaf that is there (RFC 9162, section 2.1.3.1)."""
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    proof, start, end = [], 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            proof.append(_root(middle, end, subtrees))
            end = middle
        else:
            proof.append(_root(start, middle, subtrees))
            start = middle
    return tuple(reversed(proof))


def consistency_proof(old_size: int, new_size: int, subtrees: Subtrees) -> tuple[bytes, ...]:
    """What `verify_consistency` wants (RFC 9162, section 2.1.4.1)."""
    if not 0 <= old_size <= new_size:
        raise ValueError(f"a tree of {new_size} does not begin with one of {old_size}")
    if old_size in (0, new_size):
        return ()
    proof, start, end, known = [], 0, new_size, True
    while old_size < end:
        middle = start + _split(end - start)
        if old_size <= middle:
            proof.append(_root(middle, end, subtrees))
            end = middle
        else:
            proof.append(_root(start, middle, subtrees))
            start, known = middle, False
    if not known:
        proof.append(_root(start, end, subtrees))
    return tuple(reversed(proof))


class Growing:
    """A tree that leaf hashes are added to; only the roots of its complete subtrees are kept."""

    def __init__(self) -> None:
        self.size = 0
        self._complete: list[bytes] = []
        """The roots of the subtrees that the binary digits of the size stand for, the largest first."""

    def add(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Add a leaf hash; the subtrees that it completes, as (level, index, root), itself first."""
        found, level, index = leaf, 0, self.size
        completed = [(level, index, found)]
        while index & 1:
            found, level, index = node_hash(self._complete.pop(), found), level + 1, index >> 1
            completed.append((level, index, found))
        self._complete.append(found)
        self.size += 1
        return completed

    @property
    def root(self) -> bytes:
        """The root of the tree as it is."""
        if not self._complete:
            return EMPTY_ROOT
        *others, found = self._complete
        for left in reversed(others):
            found = node_hash(left, found)
        return found


def _split(size: int) -> int:
    """The largest power of two below `size`: where the tree of that many leaves divides."""
    return 1 << ((size - 1).bit_length() - 1)


def _root(start: int, end: int, subtrees: Subtrees) -> bytes:
    """The root over the leaves from `start` to before `end`, which begin where a subtree does."""
    size = end - start
    if size & (size - 1) == 0:
        return subtrees(size.bit_length() - 1, start // size)
    middle = start + _split(size)
    return node_hash(_root(start, middle, subtrees), _root(middle, end, subtrees))


def _hashes(*values: bytes) -> bool:
    return all(len(value) == HASH_SIZE for value in values)
