"""From a lock file's name to its reader: what of a Python project's lock a build takes. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Final

from orchestrator.dependencies.dependency import BadLock, GoHash, Locked
from orchestrator.dependencies.python import manifest as manifests
from orchestrator.dependencies.python import pdm, poetry, pylock, requirements, uv
from orchestrator.dependencies.python.asked import Asked
from orchestrator.dependencies.python.manifest import Manifest
from orchestrator.dependencies.python.requirements import Beside, Requirements
from orchestrator.ground.digest import OtherDigest, Sha256
from orchestrator.ground.values import replace

_NAMES: Final = re.compile(
    r"uv\.lock|poetry\.lock|pdm\.lock|pylock(\.[^.]+)?\.toml|[A-Za-z0-9._-]*requirements[A-Za-z0-9._-]*\.txt"
)
_MANIFEST: Final = "pyproject.toml"


def is_known(name: str) -> bool:
    """Whether a file of this name is a Python project's lock."""
    return _NAMES.fullmatch(name) is not None


def read(beside: Beside, path: str, place: str, asked: Asked, names: Mapping[str, str]) -> Locked:
    """What the lock at `path` of a source pins for a Python.

    `beside` reads files of the source by their paths; `names` has, by sha256, what the files that
    requirements.txt pins are called. Raises BadLock.
    """
    data = _data(beside, path, place)
    name = posixpath.basename(path)
    if _is_requirements(name):
        locked = requirements.read(data, path, place, asked, names, beside)
    elif name == "uv.lock":
        locked = uv.read(data, place, asked, _manifest(beside, path, place))
    elif name == "pdm.lock":
        locked = pdm.read(data, place, asked, _needed(_manifest(beside, path, place), place))
    elif name == "poetry.lock":
        locked = poetry.read(data, place, asked, _needed(_manifest(beside, path, place), place))
    else:
        locked = pylock.read(data, place, asked, _manifest(beside, path, place))
    return replace(locked, beside={"requirements": _text(locked)})


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


def _text(locked: Locked) -> str:
    """The same as requirements for pip: one file each."""
    return "".join(
        f"{each.name}=={each.version} --hash={_digest(each.digest)}\n" for each in locked.dependencies
    )


def _digest(digest: Sha256 | OtherDigest | GoHash) -> str:
    match digest:
        case Sha256(found):
            return f"sha256:{found}"
        case OtherDigest(algorithm, found):
            return f"{algorithm}:{found}"
        case GoHash():
            raise AssertionError("no hash of Go's is in a lock of Python's")
