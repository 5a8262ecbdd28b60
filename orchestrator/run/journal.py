"""A run's journal: what it did and when, one JSON object a line, kept beside the builds' logs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from orchestrator.ground.files import cannot_write


class Journal:
    """Takes events with their values: `journal.write("built", builder="a")`. Made by `kept`."""

    def __init__(self, path: Path, logger: Any) -> None:
        self._path, self._logger = path, logger

    def write(self, event: str, **values: Any) -> None:
        """Add a line with the time (UTC) to the journal. Raises TallyError when the disk refuses."""
        try:
            self._logger.info(event, **values)
        except OSError as error:
            raise cannot_write(self._path, error) from error


@contextmanager
def kept(path: Path) -> Iterator[Journal]:
    """A journal at `path`, with a last line that says how the run ended."""
    import structlog

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("a", encoding="utf-8")
    except OSError as error:
        raise cannot_write(path, error) from error
    with stream:
        stamp = structlog.processors.TimeStamper(fmt="iso", utc=True, key="time")
        render = structlog.processors.JSONRenderer(sort_keys=True, default=str)
        logger = structlog.wrap_logger(structlog.WriteLogger(stream), processors=[stamp, render])
        journal = Journal(path, logger)
        try:
            yield journal
        except BaseException as error:
            journal.write("ended", error=str(error) or type(error).__name__)
            raise
        journal.write("ended", error=None)
