"""From a lock file's name to its reader: what of a Python project's lock a build takes. Pure."""

from __future__ import annotations

import posixpath
from typing import Final

from orchestrator.dependencies.dependency import BadLock, Locked
from orchestrator.dependencies.python import manifest as manifests
from orchestrator.dependencies.python import pdm, poetry, pylock, requirements, uv
from orchestrator.dependencies.python.asked import Asked
from orchestrator.dependencies.python.manifest import Manifest
from orchestrator.dependencies.python.requirements import Beside, Requirements
from orchestrator.ground.values import replace

_MANIFEST: Final = "pyproject.toml"


def read(beside: Beside, path: str, place: str, asked: Asked) -> Locked:
    """What the lock at `path` of a source pins; `beside` reads files of it by their paths. Raises BadLock."""
    data = _data(beside, path, place)
    name = posixpath.basename(path)
    _refuse_unasked(name, place, asked)
    if _is_requirements(name):
        locked = requirements.read(data, path, place, asked, beside)
    elif name == "uv.lock":
        locked = uv.read(data, place, asked, _manifest(beside, path, place))
    elif name == "pdm.lock":
        locked = pdm.read(data, place, asked, _needed(_manifest(beside, path, place), place))
    elif name == "poetry.lock":
        locked = poetry.read(data, place, asked, _needed(_manifest(beside, path, place), place))
    else:
        locked = pylock.read(data, place, asked, _manifest(beside, path, place))
    return replace(locked, beside={"shipped": "1", **({"venv": "1"} if asked.venv else {})})


def _refuse_unasked(name: str, place: str, asked: Asked) -> None:
    """Raises BadLock for an option that a format has no use for."""
    if asked.package is not None and name != "uv.lock":
        problem = "it is of one project, so that `package` chooses nothing"
        raise BadLock(place, None, problem, hint="leave `package` out of [[dependencies]]")
    if _is_requirements(name) and (asked.extras or asked.groups):
        problem = "it knows no extras and no groups"
        raise BadLock(place, None, problem, hint="name a file for each, as dev-requirements.txt")


def unnamed(beside: Beside, path: str, place: str, asked: Asked) -> Requirements | None:
    """What an index has to be asked for the files of; None: the lock names its files. Raises BadLock."""
    if not _is_requirements(posixpath.basename(path)):
        return None
    return requirements.lines(_data(beside, path, place), path, place, asked, beside)


def _is_requirements(name: str) -> bool:
    return name not in ("uv.lock", "poetry.lock", "pdm.lock") and not name.endswith(".toml")


def _data(beside: Beside, path: str, place: str) -> bytes:
    data = beside(path)
    if data is None:
        raise BadLock(
            place, None, "the source has no such file", hint="say its path from the top of the source"
        )
    return data


def _manifest(beside: Beside, path: str, place: str) -> Manifest | None:
    other = posixpath.join(posixpath.dirname(path), _MANIFEST)
    data = beside(other)
    return None if data is None else manifests.read(data, place.replace(path, other, 1))


def _needed(manifest: Manifest | None, place: str) -> Manifest:
    if manifest is None:
        hint = "have the two in one folder of the source"
        raise BadLock(place, None, "no pyproject.toml lies beside it, which says what it is for", hint=hint)
    return manifest
