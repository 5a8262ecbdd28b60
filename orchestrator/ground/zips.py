"""Zip archives that somebody else made: what reading one of them can end with."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from typing import Final

ERRORS: Final = (
    *(OSError, ValueError, EOFError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
)
"""Of `zipfile` and what unpacks for it; `NotImplementedError`, of an unknown method, is a RuntimeError."""
