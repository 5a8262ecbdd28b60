"""Whether a Cargo.lock is that of these manifests, as `cargo --locked` asks, by names. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from orchestrator.dependencies.cargo_graph import reached
from orchestrator.dependencies.cargo_lock import AGAIN, Entry
from orchestrator.dependencies.cargo_manifests import Manifest, line_naming
from orchestrator.dependencies.dependency import BadLock


def refuse_misfit(
    listed: Sequence[Entry],
    needs: Mapping[int, Sequence[int]],
    own: set[int],
    known: Mapping[str, Manifest],
    place: str,
    beside: Mapping[str, bytes],
) -> None:
    """Raises BadLock where lock and manifests disagree on what the project's own packages need."""
    for index in sorted(own):
        entry = listed[index]
        manifest = known.get(entry.name)
        if manifest is None:
            problem = f"{entry.name} is the project's own, and the source has no Cargo.toml of it"
            hint = f"{AGAIN}; a path dependency has to be part of the source"
            raise BadLock(place, entry.line, problem, hint=hint)
        if manifest.version is not None and manifest.version != entry.version:
            problem = f"{entry.name} is {manifest.version} in {manifest.place}, and {entry.version} is locked"
            raise BadLock(place, entry.line, problem, hint=AGAIN)
        locked = {listed[each].name for each in needs[index]}
        for name in sorted(manifest.shipped - locked - {entry.name}):
            line = line_naming(beside[manifest.place], name)
            problem = f"it asks for {name}, which {place} does not have for {entry.name}"
            raise BadLock(manifest.place, line, problem, hint=AGAIN)
        for name in sorted(locked - manifest.shipped - manifest.building):
            problem = f"{entry.name} needs {name} here, and {manifest.place} does not ask for it"
            raise BadLock(place, entry.line, problem, hint=AGAIN)


def shipped(
    listed: Sequence[Entry], needs: Mapping[int, Sequence[int]], own: set[int], known: Mapping[str, Manifest]
) -> set[int]:
    """What the project's packages may hold code of, as far as their Cargo.toml files tell, by number."""

    def below(index: int) -> Iterable[int]:
        if index not in own:
            return needs[index]
        asked = known[listed[index].name].shipped
        return [each for each in needs[index] if listed[each].name in asked]

    return reached(own, below)
