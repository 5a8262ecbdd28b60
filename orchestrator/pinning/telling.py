"""What `tally lock` finds out where a project's lock file does not say all that a build needs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from orchestrator.dependencies.python.asked import Asked
from orchestrator.pinning.lockfiles import LockFile
from orchestrator.pinning.undigested import pinned
from orchestrator.recipe.lock import Lock
from orchestrator.sources.folder import Sources
from orchestrator.sources.mirrors import Mirrors

if TYPE_CHECKING:
    from orchestrator.dependencies.python.requirements import Requirements

Told = dict[str, dict[str, dict[str, str]]]
"""As `Lock.told`."""


def told_of(
    files: Iterable[LockFile],
    lock: Lock,
    update: Collection[str],
    mirrors: Mirrors,
    sources: Sources,
    say: Callable[[str], None],
) -> Told:
    """What lock files do not say, for recipes as `lock` pins the rest of them.

    What it has already is kept, but for recipes in `update`. Raises TallyError.
    """
    found: Told = {}
    for file in files:
        known = lock.model_copy(update={"told": {}}) if file.recipe.name in update else lock
        told: dict[str, str] = {}
        for system in file.recipe.systems:
            asked = file.asked(system, known)
            said = _unnamed(file, asked)
            if asked is not None and said is not None:
                before = lock.followed.get(file.recipe.name, {}).get(file.key)
                changed = before != file.tree.digest(file.part.lock)
                told |= _names(file, said, asked, mirrors, sources, say, changed=changed)
            else:
                wanted = file.locked(system, asked).dependencies
                told |= pinned(wanted, {**file.told(known), **told}, sources, file.place, say)
        if told:
            found.setdefault(file.recipe.name, {})[file.key] = told
    return found


def _unnamed(file: LockFile, asked: Asked | None) -> Requirements | None:
    """What an index has to be asked for the files of; None: the lock file names them, or hashes them."""
    if asked is None:
        return None
    from orchestrator.dependencies.python import reading

    return reading.unnamed(file.tree.read, file.part.lock, file.place, asked)


def _names(
    file: LockFile,
    said: Requirements,
    asked: Asked,
    mirrors: Mirrors,
    sources: Sources,
    say: Callable[[str], None],
    *,
    changed: bool,
) -> Mapping[str, str]:
    from orchestrator.sources.pyfiles import names_of, refuse_other_indexes
    from orchestrator.sources.pyindex import Index

    refuse_other_indexes(said, file.place, mirrors)
    index = Index(mirrors, sources.downloader)
    return names_of(said, file.place, asked, index, sources.downloader.stop, say, changed=changed)
