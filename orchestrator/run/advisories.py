"""Records of vulnerabilities in a folder: OSV's own dumps, as JSON files or as zip archives of them."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from orchestrator.evidence.advisories.osv import Advisory, NotOsv, read
from orchestrator.ground import zips
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import cannot_read, contents, opened, shown
from orchestrator.ground.plainly import why

LARGEST: Final = 16 << 20
"""Bytes of one record."""
_EXPECTED: Final = "expected a folder with OSV records: JSON files, or zip archives of them"


def advisories(folder: Path) -> Iterator[tuple[str, Advisory | NotOsv | None]]:
    """Each record in a folder or below it, by its file, in one order; what is none is there as its error.

    None: a record that was withdrawn. Other files than `.json` and `.zip` are passed over.
    Raises TallyError for what is no folder.
    """
    try:
        with os.scandir(folder):
            pass
    except OSError as error:
        raise cannot_read(folder, error, "the folder ", _EXPECTED) from error
    closed: list[OSError] = []
    for place, folders, names in os.walk(folder, onerror=closed.append):
        folders.sort()
        for name in folders:
            link = Path(place, name)
            if os.path.islink(link):  # noqa: PTH114  of a name that is too long, Path's raises
                yield shown(link), NotOsv("it is a link to a folder, which is not followed")
        for name in sorted(names):
            file = Path(place, name)
            if name.endswith(".json"):
                yield shown(file), _of_file(file)
            elif name.endswith(".zip"):
                yield from _of_archive(file)
    for each in closed:
        yield shown(Path(each.filename)), NotOsv(f"the folder cannot be read: {why(each)}")


def nothing_in(folder: Path) -> TallyError:
    """The error for a folder without a record."""
    return TallyError(f"{shown(folder)} holds no OSV record", hint=_EXPECTED)


def _of_file(file: Path) -> Advisory | NotOsv | None:
    try:
        return read(contents(file, LARGEST))
    except OSError as error:
        return NotOsv(error.strerror or str(error))
    except NotOsv as error:
        return error


def _of_archive(file: Path) -> Iterator[tuple[str, Advisory | NotOsv | None]]:
    try:
        with opened(file) as stream, zipfile.ZipFile(stream) as archive:
            for member in sorted(archive.infolist(), key=lambda each: each.filename):
                if member.filename.endswith(".json"):
                    yield f"{shown(file)}: {shown(Path(member.filename))}", _of_member(archive, member)
    except zips.ERRORS as error:
        yield shown(file), NotOsv(f"it is no zip archive: {why(error)}")


def _of_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Advisory | NotOsv | None:
    try:
        with archive.open(member) as stream:
            data = stream.read(LARGEST + 1)
        return read(data) if len(data) <= LARGEST else NotOsv(f"it is larger than {LARGEST} bytes")
    except NotOsv as error:
        return error
    except zips.ERRORS as error:
        return NotOsv(f"it cannot be unpacked: {why(error)}")
