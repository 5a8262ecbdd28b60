"""Two sides made of bytes, and the places in which they differ."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from orchestrator.agreement.trees import Side
from orchestrator.places.budget import Limits
from orchestrator.places.place import Place
from orchestrator.places.search import places

Entry = tuple[str, bytes] | tuple[str, bytes, Mapping[str, object]]


def differing(folder: Path, name: str, one: bytes, other: bytes, limits: Limits | None = None) -> list[Place]:
    """The places of two folders with one file of that name each."""
    for side, data in (("a", one), ("b", other)):
        (folder / side).mkdir(exist_ok=True)
        (folder / side / name).write_bytes(data)
    return list(places(Side("a", folder / "a"), Side("b", folder / "b"), limits))


def told(place: Place) -> str:
    """A place as one line: the way in, and what differs there."""
    way = " > ".join(map(str, place.inside))
    return f"{way} {place.aspect} {place.where}: {place.values[0]} | {place.values[1]}".strip()


def tar(*entries: Entry, format: int = tarfile.PAX_FORMAT) -> bytes:  # noqa: A002
    """An archive of files; what is said behind a content goes into its header."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=format) as archive:
        for name, data, *more in entries:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            for each in more:
                for key, value in each.items():
                    setattr(info, key, value)
            archive.addfile(info, io.BytesIO(data))
    return packed.getvalue()
