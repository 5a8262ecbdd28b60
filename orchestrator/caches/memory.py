"""What caches have said before, kept for when one does not answer.

A file for each cache: store path to its narinfo as it was served, or to null where the cache had none.
Nothing in it is believed for being there: signatures are checked again each time.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import read_file, write_atomically

_LARGEST = 1 << 28
"""Bytes: some hundred thousand narinfos."""
Said = dict[str, str | None]


@dataclass(frozen=True)
class Memory:
    """In `folder`, which is there."""

    folder: Path
    _noted: dict[str, Said] = field(default_factory=dict, compare=False, repr=False)
    _known: dict[str, Said] = field(default_factory=dict, compare=False, repr=False)

    def knows(self, cache: str) -> bool:
        """Whether anything that a cache said is kept."""
        return bool(self._of(cache))

    def recall(self, cache: str, path: str) -> bytes | None:
        """What a cache said of a path; None: it had none. Raises KeyError where it was never asked."""
        said = self._of(cache)[path]
        return None if said is None else said.encode()

    def note(self, cache: str, path: str, said: bytes | None) -> None:
        """Remember an answer that was believed, or that there is none. Threads may call it together."""
        self._noted.setdefault(cache, {})[path] = None if said is None else said.decode("ascii")

    def keep(self) -> None:
        """Write what was noted. Raises TallyError when the disk refuses."""
        for cache, noted in self._noted.items():
            whole = {**self._of(cache), **noted}
            if whole != self._of(cache):
                write_atomically(self._file(cache), json.dumps(whole, sort_keys=True, indent=0).encode())
                self._known[cache] = whole

    def _file(self, cache: str) -> Path:
        return self.folder / f"{Sha256.of(cache.encode()).hex[:32]}.json"

    def _of(self, cache: str) -> Said:
        if cache not in self._known:
            self._known[cache] = _read(self._file(cache))
        return self._known[cache]


def _read(file: Path) -> Said:
    """A file that is not whole is as good as none: a cache that answers has all of it."""
    try:
        document = json.loads(read_file(file, "", _LARGEST, ""))
    except (TallyError, ValueError, RecursionError):
        return {}
    if not isinstance(document, dict):
        return {}
    return {path: said for path, said in document.items() if said is None or isinstance(said, str)}
