"""What signing a release takes: links, layout, bundles, their log entries, and the folder written.

Against durable writes of the files alone. The release is one of the unit tests' (tests/support/releases.py).
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from itertools import count
from pathlib import Path

from measure import ROOT, Figure, alternately

from orchestrator.ground.files import write_atomically
from orchestrator.keys.key import SigningKey

sys.path.insert(0, str(ROOT / "tests" / "support"))

_LIMIT = 0.5


def figures(rounds: int = 21) -> list[Figure]:
    import releases

    with tempfile.TemporaryDirectory(dir=ROOT / ".venv") as name:  # a disk, which /tmp need not be
        folder = Path(name)
        key, made = SigningKey.generate(), releases.observed(folder / "in")
        keys, log = releases.builder_keys(made), releases.log_in(folder / "log")
        key.write(folder / "release", b"a passphrase")
        turns = count()

        def sign() -> Path:
            opened = SigningKey.load(folder / "release.key", lambda _: b"a passphrase")
            return releases.published(folder / str(next(turns)), made, opened, keys, log).path

        files = [path.read_bytes() for path in sign().rglob("*") if path.is_file()]
        signing, writing = alternately(rounds, sign, partial(_durably, files, folder / "baseline"))
    name = "sign a release, file key, embedded log"
    return [Figure(name, signing, writing, "durable writes of its files", "s", signing <= _LIMIT, "0.5 s")]


def _durably(files: Sequence[bytes], folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for number, data in enumerate(files):
        write_atomically(folder / str(number), data)
