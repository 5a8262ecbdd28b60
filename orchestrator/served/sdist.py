"""What a source distribution says of how it is built. Reads, never unpacks."""

from __future__ import annotations

import io
import tarfile
import tomllib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from orchestrator.ground import zips
from orchestrator.ground.errors import TallyError

_MOST: Final = 200_000
_LARGEST: Final = 4 << 20
_UNPACKED: Final = 4 << 30
_BY_SETUP: Final = "setuptools.build_meta:__legacy__"
"""PEP 517: the backend of a project that names none."""


@dataclass(frozen=True, slots=True)
class Sdist:
    """One source distribution."""

    top: str
    """Its one folder."""
    times: Mapping[str, int]
    """Path below that folder to its file's time."""
    shared: frozenset[str]
    """Paths of files that their group may write."""
    backend: str
    requires: tuple[str, ...]
    """`build-system.requires`."""
    backend_path: tuple[str, ...]
    dependencies: tuple[str, ...]
    """`project.dependencies`, as far as they are told."""
    universal: bool
    """Whether setup.cfg asks for a wheel of Python 2 and 3."""
    is_zip: bool


def read(path: Path) -> Sdist:
    """Look through an sdist. Raises TallyError for one that cannot be read."""
    try:
        found = _zip(path) if path.name.endswith(".zip") else _tar(path)
    except (tarfile.TarError, *zips.ERRORS) as error:
        raise TallyError(f"{path.name} cannot be read: {error}") from error
    times, shared, texts = found
    tops = {name.partition("/")[0] for name in times}
    if len(tops) != 1:
        raise TallyError(f"{path.name} does not hold one folder")
    top = tops.pop()
    below = {name.removeprefix(f"{top}/"): text for name, text in texts.items()}
    project = _project(path, below.get("pyproject.toml"))
    system = project.get("build-system", {})
    system, own = system if isinstance(system, dict) else {}, project.get("project")
    return Sdist(
        top,
        {name.removeprefix(f"{top}/"): moment for name, moment in times.items()},
        frozenset(name.removeprefix(f"{top}/") for name in shared),
        str(system.get("build-backend") or _BY_SETUP),
        _texts(path, system.get("requires", ["setuptools"])),
        _texts(path, system.get("backend-path", [])),
        _texts(path, own.get("dependencies", [])) if isinstance(own, dict) else (),
        "universal" in below.get("setup.cfg", b"").decode("utf-8", "replace"),
        path.name.endswith(".zip"),
    )


def _project(path: Path, text: bytes | None) -> Mapping[str, Any]:
    if text is None:
        return {}
    try:
        return tomllib.loads(text.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise TallyError(f"pyproject.toml in {path.name} cannot be read: {error}") from error


def _texts(path: Path, value: object) -> tuple[str, ...]:
    """A list of texts. Raises TallyError for anything else (PEP 518, PEP 621)."""
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise TallyError(f"pyproject.toml in {path.name} has something else where a list of texts belongs")
    return tuple(value)


def _wanted(name: str) -> bool:
    return name.count("/") == 1 and name.endswith(("/pyproject.toml", "/setup.cfg"))


_Found = tuple[dict[str, int], set[str], dict[str, bytes]]
"""Times, the paths that a group may write, and texts."""


def _tar(path: Path) -> _Found:
    times, shared, texts = {}, set(), {}
    with tarfile.open(path) as archive:
        unpacked = 0
        for number, member in enumerate(archive):
            unpacked += member.size
            if number == _MOST or unpacked > _UNPACKED:
                raise ValueError("it has too many files, or too large ones")
            if not member.isreg():
                continue
            name = member.name.removeprefix("./")
            times[name] = int(member.mtime)
            if member.mode & 0o020:
                shared.add(name)
            if _wanted(name) and member.size <= _LARGEST:
                stream = archive.extractfile(member) or io.BytesIO()
                texts[name] = stream.read(_LARGEST)
    return times, shared, texts


def _zip(path: Path) -> _Found:
    times, texts = {}, {}
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist()[:_MOST]:
            if member.is_dir():
                continue
            times[member.filename] = int(datetime(*member.date_time, tzinfo=UTC).timestamp())
            if _wanted(member.filename) and member.file_size <= _LARGEST:
                texts[member.filename] = archive.read(member)
    return times, set(), texts  # what unpacks it here gives modes of its own
