"""The registry's answer for one version: the wheel that it serves, and the sdist to make it of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from packaging.version import InvalidVersion, Version

from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.unreachable import Unreachable
from orchestrator.ground.wording import some
from orchestrator.recipe.names import store_name
from orchestrator.recipe.wanted import Wanted
from orchestrator.served.named import PypiName
from orchestrator.sources.folder import Sources
from orchestrator.sources.pyindex import File, Index

_SHOWN: Final = 8


@dataclass(frozen=True, slots=True)
class Release:
    """What there is of one version."""

    named: PypiName
    wheel: File
    sdist: File
    notes: tuple[str, ...]
    """What whoever reads the result should know: that it was withdrawn, which other wheels there are."""


def release_of(named: PypiName, index: Index) -> Release:
    """The wheel and the sdist of a version. Raises TallyError with what there is instead."""
    files = index.files(named.project)
    of_version = [file for file in files if _is(file, named.version)]
    if not of_version:
        raise TallyError(_no_version(named, files), hint="check the version")
    wheels = [file for file in of_version if file.is_wheel]
    pure = [file for file in wheels if file.is_pure]
    sdists = [file for file in of_version if not file.is_wheel]
    names = some(sorted(file.name for file in of_version), _SHOWN)
    if not wheels:
        raise TallyError(
            f"{named} has no wheel to compare with; it has {names}",
            hint="a wheel is what this makes: name a version that has one",
        )
    if not pure:
        raise TallyError(
            f"{named} has wheels for certain platforms alone: {some(sorted(w.name for w in wheels), _SHOWN)}",
            hint="wheels for every platform (…-none-any.whl) are made again here; what is compiled is not",
        )
    if not sdists:
        raise TallyError(
            f"{named} has no source distribution to make it of; it has {names}",
            hint="without one, its source is in its maker's repository alone: write a recipe for that",
        )
    wheel = max(pure, key=lambda file: (any(t.interpreter.startswith("py3") for t in file.tags), file.name))
    sdist = min(sdists, key=lambda file: (not file.name.endswith(".tar.gz"), file.name))
    notes = []
    for file in (wheel, sdist):
        if file.yanked is not None:
            why = f": {file.yanked}" if file.yanked else ", without a reason"
            notes.append(f"{file.name} was withdrawn (yanked) by its maker{why}")
    if others := sorted(file.name for file in wheels if file != wheel):
        notes.append(f"other wheels of this version were not looked at: {some(others, _SHOWN)}")
    if wheel.uploaded is None:
        notes.append(
            "the index tells no upload times: build requirements are the newest that there are today"
        )
    return Release(named, wheel, sdist, tuple(notes))


def fetched(file: File, sources: Sources) -> Path:
    """A file's place on this machine, checked by the index's digest. Raises TallyError."""
    return sources.fetch(wanted(file, sources))


def wanted(file: File, sources: Sources) -> Wanted:
    """A file as what is to be fetched. One whose digest the index does not tell is read for it."""
    return Wanted(store_name(file.name), Sha256(file.sha256 or _hashed(file, sources)), (file.address,))


def _hashed(file: File, sources: Sources) -> str:
    import hashlib

    seen = hashlib.sha256()
    try:
        for chunk in sources.downloader.read(file.address):
            seen.update(chunk)
    except Unreachable as error:
        raise TallyError(f"{file.name} cannot be read: {error}") from error
    return seen.hexdigest()


def _is(file: File, version: str) -> bool:
    try:
        return file.version == Version(version)
    except InvalidVersion:
        return str(file.version) == version.lower()


def _no_version(named: PypiName, files: Iterable[File]) -> str:
    versions = [str(each) for each in sorted({file.version for file in files}, reverse=True)]
    near = get_close_matches(named.version, versions, n=3)
    shown = [*near, *(each for each in versions[:_SHOWN] if each not in near)]
    more = f" and {len(versions) - len(shown)} more" if len(versions) > len(shown) else ""
    return f"{named.project} has no version {named.version}; it has {', '.join(shown)}{more}"
