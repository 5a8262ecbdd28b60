"""A run's journal: what it did and when, one JSON object a line, kept beside the builds' logs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from orchestrator.ground.files import cannot_write


class Journal:
    """Takes events with their values: `journal.write("built", builder="a")`. Made by `kept`."""

    def __init__(self, path: Path, stream: IO[str]) -> None:
        self._path, self._stream = path, stream

    def write(self, event: str, **values: Any) -> None:
        """Add a line with the time (UTC) to the journal. Raises TallyError when the disk refuses."""
        try:
            time = datetime.now(UTC).isoformat().replace("+00:00", "Z")
            line = json.dumps({**values, "event": event, "time": time}, sort_keys=True, default=str)
            self._stream.write(f"{line}\n")
            self._stream.flush()
        except OSError as error:
            raise cannot_write(self._path, error) from error


@contextmanager
def kept(path: Path) -> Iterator[Journal]:
    """A journal at `path`, with a last line that says how the run ended."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("a", encoding="utf-8")
    except OSError as error:
        raise cannot_write(path, error) from error
    journal = Journal(path, stream)
    try:
        yield journal
    except BaseException as error:
        journal.write("ended", error=str(error) or type(error).__name__)
        raise
    else:
        journal.write("ended", error=None)
    finally:
        with suppress(OSError):  # it writes again what was told as not written
            stream.close()
