"""Looking at a whole log: every hash computed again from the entries, and compared with what was signed.

Specification: C2SP tlog-tiles and tlog-checkpoint, "Signatures": checkpoints of one log are consistent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.evidence.canonical import MalformedError, member, read_envelope
from orchestrator.ground.wording import counted
from orchestrator.log import tiles
from orchestrator.log.embedded import EmbeddedLog
from orchestrator.log.entry import parse_all
from orchestrator.log.merkle import EMPTY_ROOT, HASH_SIZE, Growing, leaf_hash
from orchestrator.log.note import Checkpoint

_MOST = 20  # of what is found: a log that was written anew differs everywhere


def audit(log: EmbeddedLog, older: Sequence[Checkpoint] = ()) -> tuple[Checkpoint, tuple[str, ...]]:
    """The log's head, and what contradicts it or an older checkpoint, a sentence each; none: it holds.

    Raises TallyError when the log cannot be read.
    """
    with log.reading() as head:
        found = []
        for sentence in _against(log, head, older):
            found.append(sentence)
            if len(found) == _MOST:
                break
        return head, tuple(found)


def checkpoints_in(log: EmbeddedLog, data: bytes, what: str) -> tuple[Checkpoint, ...]:
    """The checkpoints of this log in a file: a checkpoint, or a Sigstore bundle that was entered.

    Raises MalformedError when there is none that the log's key signed.
    """
    if not data.startswith(b"{"):
        return (log.checkpoint(data, what),)
    material = member(read_envelope(data, what), "verificationMaterial", dict, what)
    entries = [
        each.proof.checkpoint
        for each in parse_all(material.get("tlogEntries", []), what)
        if each.log_id == log.instance.log_id and each.proof is not None
    ]
    if not entries:
        raise MalformedError(f"{what} has no entry in the log {log.instance.origin}")
    return tuple(log.checkpoint(each.encode(), what) for each in entries)


def _against(log: EmbeddedLog, head: Checkpoint, older: Sequence[Checkpoint]) -> Iterator[str]:
    # 1. No checkpoint is from a future that this log does not have.
    for each in older:
        if each.size > head.size:
            yield (
                f"the log was rolled back: it had {counted(each.size, 'entry', 'entries')} when the older "
                f"checkpoint was signed, and has {head.size} now"
            )
    wanted = {each.size: each for each in older if each.size <= head.size}
    twice = [each for each in older if wanted.get(each.size, each).root != each.root]
    for each in twice:
        size = counted(each.size, "entry", "entries")
        yield f"the log was rewritten: two checkpoints of {size} have different roots"
    if 0 in wanted and wanted[0].root != EMPTY_ROOT:
        yield "the older checkpoint of the empty log has a root that is not the empty tree's"

    # 2. Each entry's hash, and each tile's, from the entries; at every older size, the root that it had.
    tree, stored = Growing(), _Tiles(log, head.size)
    for index, width in tiles.tiles_of("entries", head.size):
        for body in log.entries(index, width):
            for level, number, value in tree.add(leaf_hash(body)):
                yield from stored.compare(level, number, value)
            older_root = wanted.get(tree.size)
            if older_root is not None and older_root.root != tree.root:
                yield (
                    f"the log was rewritten: its first {tree.size} entries are not those that the older "
                    "checkpoint was signed over"
                )

    # 3. All of it is what the newest checkpoint was signed over.
    if tree.root != head.root:
        yield f"the {head.size} entries are not those that the log's checkpoint was signed over"


class _Tiles:
    """The stored tiles, read as they are needed; one a level is held."""

    def __init__(self, log: EmbeddedLog, size: int) -> None:
        self._log, self._size = log, size
        self._held: dict[int, tuple[int, bytes]] = {}

    def compare(self, level: int, number: int, value: bytes) -> Iterator[str]:
        """What the stored hash of a subtree says against the one that was computed."""
        tile_level, height = divmod(level, tiles.HEIGHT)
        if height:
            return
        index, offset = divmod(number, tiles.WIDTH)
        if self._held.get(tile_level, (-1, b""))[0] != index:
            width = tiles.width(tile_level, index, self._size)
            self._held[tile_level] = index, self._log.tile(tile_level, index, width)
        at = offset * HASH_SIZE
        if self._held[tile_level][1][at : at + HASH_SIZE] != value:
            what = "entry" if tile_level == 0 else f"the group of {tiles.WIDTH**tile_level} entries"
            place = tiles.path(tile_level, index)
            yield f"{what} {number} has another hash than {place} holds: one of the two was changed"
