"""Zip archives for comparisons, entry by entry."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from typing import NamedTuple

MOMENT = (2024, 5, 17, 10, 20, 30)


class Member(NamedTuple):
    """One file of an archive."""

    name: str
    data: bytes
    moment: tuple[int, int, int, int, int, int] = MOMENT
    mode: int = 0o100644
    method: int = zipfile.ZIP_DEFLATED
    level: int = 6


def zip_of(members: Sequence[Member], comment: bytes = b"") -> bytes:
    """An archive of these, in this order."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for each in members:
            info = zipfile.ZipInfo(each.name, each.moment)
            info.external_attr = each.mode << 16
            info.compress_type = each.method
            archive.writestr(info, each.data, compresslevel=each.level)
        archive.comment = comment
    return stream.getvalue()
