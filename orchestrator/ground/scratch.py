"""A folder for what is not kept. As `tempfile` has it, whose import takes longer than many a use of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_VARIABLES: Final = ("TMPDIR", "TEMP", "TMP")
_USUAL: Final = ("/tmp", "/var/tmp", "/usr/tmp", ".")


@contextmanager
def scratch() -> Iterator[Path]:
    """A new folder that nobody else can read, removed afterwards. Raises OSError where there is no place."""
    folder = _made()
    try:
        yield folder
    finally:
        with suppress(OSError):  # of a thread that was given up, which may write there still
            _remove(folder)


def _made() -> Path:
    """In the first place of those that the environment names, and that are usual, that can be written."""
    places = [*filter(None, map(os.environ.get, _VARIABLES)), *_USUAL]
    name = f"tally-{os.urandom(8).hex()}"
    for place in places:
        try:
            folder = Path(place).absolute() / name
            folder.mkdir(mode=0o700)
        except OSError as error:
            last = error
        else:
            return folder
    raise last


def _remove(folder: Path) -> None:
    with os.scandir(folder) as entries:
        for each in entries:
            if each.is_dir(follow_symlinks=False):
                _remove(Path(each.path))
            else:
                Path(each.path).unlink()
    folder.rmdir()
