"""How long an append to the embedded log takes, and the disk that an entry takes, at three sizes of the log.

Against a durable write of the same bytes, in turn with the appends: each file that an append writes is
written again elsewhere, synced, renamed, and its folder synced. Entries are those of P-256 signatures.
"""

from __future__ import annotations

import statistics
import tempfile
from functools import partial
from pathlib import Path

from measure import ROOT, Figure, seconds

from orchestrator.ground.files import write_atomically
from orchestrator.keys.key import SigningKey
from orchestrator.log import tiles
from orchestrator.log.embedded import CHECKPOINT, EmbeddedLog
from orchestrator.log.entry import Signed, key_verifier

SIZES = (1, 1_000, 100_000)
_ROUNDS = 101
_LIMIT = 0.005
_RATIO = 2
"""Where the disk alone takes longer than that, as with others at work on it."""
_DISK = 2_000


def figures(rounds: int = _ROUNDS) -> list[Figure]:
    found = []
    with tempfile.TemporaryDirectory(dir=ROOT / ".venv") as folder:  # a disk, which /tmp need not be
        log = EmbeddedLog.opened(Path(folder, "log"))
        body = entry()
        for size in SIZES:
            with log.reading() as head:
                missing = size - head.size
            log.append([body] * missing)
            found += at(log, size, body, Path(folder, "baseline"), rounds)
    return found


def entry() -> bytes:
    """An entry as `tally build` makes it: some 490 bytes."""
    key = SigningKey.generate()
    return Signed(b"data", key.sign(b"data"), key_verifier(key.public.spki)).body()


def at(log: EmbeddedLog, size: int, body: bytes, baseline: Path, rounds: int) -> list[Figure]:
    """The figures of a log of this size; it is larger by `rounds` afterwards."""
    used = disk(log.folder.path)
    appends, writes = [], []
    for _ in range(rounds):
        appends.append(seconds(partial(log.append, [body])))
        files = written(log)
        writes.append(seconds(partial(durably, files, baseline)))
    appending, writing = statistics.median(appends), statistics.median(writes)
    name = f"{size:,} entries"
    found = [
        Figure(
            f"append to a log of {name}",
            appending * 1000,
            writing * 1000,
            "durable writes of the same bytes",
            "ms",
            appending <= max(_LIMIT, _RATIO * writing),
            f"5 ms or {_RATIO}x",
        )
    ]
    if size >= SIZES[1]:  # the folders and first blocks of a small log say nothing of an entry
        each = used / size
        found.append(
            Figure(f"disk per entry, {name}", each, len(body), "its bytes", "B", each <= _DISK, "2 kB")
        )
    return found


def written(log: EmbeddedLog) -> list[bytes]:
    """The files that the last append wrote; one in 256 writes a hash in the level above too."""
    with log.reading() as head:
        index, offset = divmod(head.size - 1, tiles.WIDTH)
    names = [tiles.path("entries", index, offset + 1), tiles.path(0, index, offset + 1), CHECKPOINT]
    return [log.folder.read(name) for name in names]


def durably(files: list[bytes], folder: Path) -> None:
    for number, data in enumerate(files):
        write_atomically(folder / str(number), data)


def disk(folder: Path) -> int:
    """What a folder takes of the disk, in bytes, as `du` has it."""
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*"))
