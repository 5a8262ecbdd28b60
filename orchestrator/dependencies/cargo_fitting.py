"""Whether a Cargo.lock is that of these manifests, as `cargo --locked` asks, by names. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from orchestrator.dependencies.cargo_graph import reached
from orchestrator.dependencies.cargo_lock import AGAIN, Entry
from orchestrator.dependencies.cargo_manifests import Manifest, line_naming
from orchestrator.dependencies.dependency import BadLock


def fitting(
    listed: Sequence[Entry],
    needs: Mapping[int, Sequence[int]],
    own: set[int],
    known: Mapping[str, Sequence[Manifest]],
    place: str,
    beside: Mapping[str, bytes],
) -> Mapping[int, Manifest]:
    """The manifest of each of the project's own packages, by number.

    Raises BadLock where lock and manifests disagree on what such a package needs.
    """
    found = {}
    for index in sorted(own):
        entry = listed[index]
        locked = {listed[each].name for each in needs[index]}
        problems: list[BadLock] = []
        for manifest in known.get(entry.name, ()):
            problem = _misfit(entry, locked, manifest, place, beside[manifest.place])
            if problem is None:
                found[index] = manifest
                break
            problems.append(problem)
        else:
            hint = f"{AGAIN}; a path dependency has to be part of the source"
            lacking = f"{entry.name} is the project's own, and the source has no Cargo.toml of it"
            raise (problems or [BadLock(place, entry.line, lacking, hint=hint)])[0]
    return found


def _misfit(entry: Entry, locked: set[str], manifest: Manifest, place: str, data: bytes) -> BadLock | None:
    if manifest.version is not None and manifest.version != entry.version:
        problem = f"{entry.name} is {manifest.version} in {manifest.place}, and {entry.version} is locked"
        return BadLock(place, entry.line, problem, hint=AGAIN)
    if manifest.outside is not None:
        return manifest.outside
    for name in sorted(manifest.shipped - locked - {entry.name}):
        problem = f"it asks for {name}, which {place} does not have for {entry.name}"
        return BadLock(manifest.place, line_naming(data, name), problem, hint=AGAIN)
    for name in sorted(locked - manifest.shipped - manifest.building):
        problem = f"{entry.name} needs {name} here, and {manifest.place} does not ask for it"
        return BadLock(place, entry.line, problem, hint=AGAIN)
    return None


def shipped(
    listed: Sequence[Entry], needs: Mapping[int, Sequence[int]], own: Mapping[int, Manifest]
) -> set[int]:
    """What the project's packages may hold code of, as far as their Cargo.toml files tell, by number."""

    def below(index: int) -> Iterable[int]:
        if index not in own:
            return needs[index]
        asked = own[index].shipped
        return [each for each in needs[index] if listed[each].name in asked]

    return reached(own, below)
