"""What a release's provenance and reproduction statement say, as `tally show` tells it. Pure.

What is absent is left out, as in releases of earlier versions; what is of another type is a MalformedError.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, TypeVar

from orchestrator.evidence.canonical import MalformedError, member
from orchestrator.evidence.closure import materials
from orchestrator.evidence.commands import read
from orchestrator.evidence.shown import Believed, Builder, Material, Origin, Repository
from orchestrator.evidence.terms import BELIEVED, NAR_SHA256, TARGET_KINDS, Kind
from orchestrator.ground.values import dataclass
from orchestrator.nix.outputpath import Command, Places

T = TypeVar("T")
_WHAT = "the provenance"
_MATERIAL = "a material of the provenance"
_BUILDER = ("name", "store", "operator", "nixVersion", "system", "kernel", "cpuModel")


@dataclass(frozen=True, slots=True)
class Declared:
    """What the provenance says."""

    origin: Origin
    materials: Mapping[str, int]
    sources: tuple[Material, ...]
    """The package's own first: those that its command names."""
    believed: tuple[Believed, ...]


def declared(predicate: Mapping[str, Any]) -> Declared:
    """What a predicate of provenance says. Raises MalformedError."""
    kinds: Counter[str] = Counter()
    sources: list[Material] = []
    believed: list[Believed] = []
    for each in materials(predicate):
        noted = member(each, "annotations", dict, _MATERIAL)
        kind = member(noted, "kind", str, _MATERIAL)
        kinds[kind] += 1
        if kind == Kind.SOURCE:
            sources.append(_material(each, kind))
        elif kind == BELIEVED:
            path, key, cache = (member(noted, name, str, _MATERIAL) for name in ("storePath", "key", "cache"))
            believed.append(Believed(store_path=path, key=key, cache=cache))
    command = _own_command(predicate)
    paths = [each.store_path for each in sources if each.store_path is not None]
    own = set(Places(dict(zip(paths, paths, strict=True))).named(command)) if command is not None else set()
    sources.sort(key=lambda each: each.store_path not in own)
    return Declared(_origin(predicate, command), dict(sorted(kinds.items())), tuple(sources), tuple(believed))


def builders(predicate: Mapping[str, Any]) -> tuple[Builder, ...]:
    """Who built, by a predicate of reproduction. Raises MalformedError."""
    what = "the reproduction statement"
    found = []
    for each in member(predicate, "attributes", list, what):
        conditions = member(each, "conditions", dict, what)
        said = member(conditions, "builder", dict, what)
        values = {name: _optional(said, name, str, f"a builder of {what}") for name in _BUILDER}
        found.append(
            Builder.model_validate(
                {
                    **values,
                    "name": member(said, "name", str, what),
                    "emulated": _optional(said, "emulated", bool, what) or False,
                }
            )
        )
    return tuple(found)


def _origin(predicate: Mapping[str, Any], command: Command | None) -> Origin:
    build = member(predicate, "buildDefinition", dict, _WHAT)
    outside = member(build, "externalParameters", dict, _WHAT)
    inside = member(build, "internalParameters", dict, _WHAT)
    run = _optional(predicate, "runDetails", dict, _WHAT) or {}
    times = _optional(run, "metadata", dict, _WHAT) or {}
    version = _optional(_optional(run, "builder", dict, _WHAT) or {}, "version", dict, _WHAT) or {}
    kind = member(build, "buildType", str, _WHAT)
    known = next((name for name, build_type in TARGET_KINDS.items() if build_type == kind), None)
    return Origin.model_validate(
        {
            "kind": known,
            "target": member(outside, "target", str, _WHAT),
            "recipe": _name_in(outside, "recipe"),
            "lock": _name_in(outside, "lock"),
            "repository": _repository(outside),
            "toolchains": _toolchains(inside),
            "licence": _licence(command),
            "started": _optional(times, "startedOn", str, _WHAT),
            "finished": _optional(times, "finishedOn", str, _WHAT),
            "tallystick": _optional(version, "tallystick", str, _WHAT),
        }
    )


def _repository(outside: Mapping[str, Any]) -> Repository | None:
    said = _optional(outside, "repository", dict, _WHAT)
    if said is None:
        return None
    what = f"{_WHAT}'s repository"
    files = _optional(said, "uncommitted", list, what) or []
    if set(map(type, files)) - {str}:
        raise MalformedError(f"{what} has uncommitted files without names")
    return Repository(
        commit=member(member(said, "digest", dict, what), "gitCommit", str, what),
        uri=_optional(said, "uri", str, what),
        uncommitted=tuple(files),
    )


def _toolchains(inside: Mapping[str, Any]) -> tuple[dict[str, str], ...]:
    what = f"a toolchain of {_WHAT}"
    found = []
    for each in _optional(inside, "toolchains", list, _WHAT) or []:
        if not isinstance(each, dict):
            raise MalformedError(f"{what} is not an object")
        found.append({key: value for key, value in each.items() if isinstance(value, str)})
    return tuple(found)


def _licence(command: Command | None) -> str | None:
    """The recipe's, which is in the package's derivation."""
    return (command.environment.get("tallyLicense") or None) if command is not None else None


def _own_command(predicate: Mapping[str, Any]) -> Command | None:
    """The package's own; None where no commands are told."""
    build = member(predicate, "buildDefinition", dict, _WHAT)
    inside = member(build, "internalParameters", dict, _WHAT)
    package = member(member(inside, "package", dict, _WHAT), "derivation", str, f"{_WHAT}'s package")
    return next((command for command, _ in read(predicate) or () if command.derivation == package), None)


def _material(said: Mapping[str, Any], kind: str) -> Material:
    digests = member(said, "digest", dict, _MATERIAL)
    digest = next(
        (
            f"{name}:{member(digests, name, str, _MATERIAL)}"
            for name in ("sha256", NAR_SHA256)
            if name in digests
        ),
        None,
    )
    if digest is None:
        raise MalformedError(f"{_MATERIAL} has no digest")
    return Material(
        name=member(said, "name", str, _MATERIAL),
        kind=kind,
        digest=digest,
        uri=_optional(said, "uri", str, _MATERIAL),
        store_path=_optional(member(said, "annotations", dict, _MATERIAL), "storePath", str, _MATERIAL),
    )


def _name_in(outside: Mapping[str, Any], key: str) -> str | None:
    said = _optional(outside, key, dict, _WHAT)
    return None if said is None else member(said, "name", str, f"{_WHAT}'s {key}")


def _optional(value: Mapping[str, Any], name: str, kind: type[T], what: str) -> T | None:
    """A member that may be absent. Raises MalformedError where it is there and of another type."""
    return member(value, name, kind, what) if name in value else None
