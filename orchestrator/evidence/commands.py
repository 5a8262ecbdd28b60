"""By which commands a release was made: what each derivation that was built has its builder run. Pure.

Field by field: docs/predicates/build.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from orchestrator.evidence.canonical import MalformedError, member
from orchestrator.ground.digest import NarHash, Sha256
from orchestrator.nix.outputpath import Command, Inputs, Known, derivation_hash, fixed_hash

if TYPE_CHECKING:  # who only reads evidence needs nothing of how it is made
    from orchestrator.evidence.facts import ReleaseFacts
    from orchestrator.nix.derivation import Derivation, DerivationGraph

_TEXT = frozenset({str})
_HEX = frozenset("0123456789abcdef")


def command_of(derivation: Derivation) -> list[str]:
    """The builder executable and its arguments, word for word."""
    return [derivation.builder_executable, *derivation.args]


def package_command(facts: ReleaseFacts) -> list[str]:
    """The command that made the package: what in-toto's link says, which has room for one."""
    return command_of(facts.graph[facts.package_derivation])


def commands_of(facts: ReleaseFacts) -> list[dict[str, Any]]:
    """Every derivation that was built for the artifact, each after those that it uses."""
    from orchestrator.evidence.materials import built_here

    built = {
        derivation.path for derivation in built_here(facts.graph, facts.artifact_derivation, facts.beliefs)
    }
    exact = _inputs_of(facts.graph)
    known = _known(facts)
    found = []
    for derivation in facts.graph.in_build_order():
        if derivation.path not in built:
            continue
        command = _told(derivation)
        seen = known.inputs(command)
        said: dict[str, Any] = {
            "derivation": derivation.path,
            "command": command_of(derivation),
            "environment": dict(sorted(derivation.env.items())),
        }
        # most name all that they are given; the rest is told, so that a verifier can compute the paths
        if _plain(seen) != _plain(exact[derivation.path]):
            said["inputs"] = _plain(exact[derivation.path])
        known.add(command, exact[derivation.path])
        found.append(said)
    return found


def read(predicate: Mapping[str, Any]) -> tuple[tuple[Command, Inputs | None], ...] | None:
    """The commands in a predicate of provenance, each with its inputs where these are told.

    None: none are told, as by releases of earlier versions. Raises MalformedError.
    """
    what = "the provenance"
    definition = member(predicate, "buildDefinition", dict, what)
    internal = member(definition, "internalParameters", dict, what)
    if "commands" not in internal:
        return None
    return tuple(map(_read, member(internal, "commands", list, what)))


def _read(entry: object) -> tuple[Command, Inputs | None]:
    what = "a command of the provenance"
    environment = member(entry, "environment", dict, what)
    words = _texts(member(entry, "command", list, what), what)
    if not words or not _TEXT.issuperset(map(type, environment.values())):
        raise MalformedError(f"{what} has no executable, or a variable that is no text")
    command = Command(
        derivation=member(entry, "derivation", str, what),
        system=_attribute(environment, "system", ""),
        executable=words[0],
        arguments=words[1:],
        environment=environment,
        outputs={
            name: member(environment, name, str, what)
            for name in _texts(_attribute(environment, "outputs", ["out"]), what)
        },
    )
    return command, _inputs(member(entry, "inputs", dict, what), what) if _has(entry, "inputs") else None


def _attribute(environment: Mapping[str, str], name: str, default: Any) -> Any:
    """What a derivation's expression gave it: a variable, or with `__structuredAttrs` a part of one."""
    if (text := environment.get("__json")) is not None:
        from orchestrator.evidence.canonical import read as read_json

        found = read_json(text.encode(), "the attributes of a command").get(name, default)
        return found if type(found) is type(default) else default
    found = environment.get(name, default)
    return found.split() if isinstance(default, list) and isinstance(found, str) else found


def _inputs(said: Mapping[str, Any], what: str) -> Inputs:
    derivations = member(said, "derivations", dict, what)
    if not all(len(digest) == 64 and _HEX.issuperset(digest) for digest in derivations):
        raise MalformedError(f"{what} has an input that is named by no hash")
    return Inputs(
        {digest: _texts(member(derivations, digest, list, what), what) for digest in derivations},
        _texts(member(said, "sources", list, what), what),
    )


def _texts(found: list[Any], what: str) -> list[str]:
    if not _TEXT.issuperset(map(type, found)):
        raise MalformedError(f"{what} has a list of something else than texts")
    return found


def _has(entry: object, name: str) -> bool:
    return isinstance(entry, dict) and name in entry


def _told(derivation: Derivation) -> Command:
    return Command(
        derivation.path,
        derivation.system,
        derivation.builder_executable,
        derivation.args,
        derivation.env,
        derivation.outputs,
    )


def _known(facts: ReleaseFacts) -> Known:
    """The inputs that a verifier finds in the provenance: fixed outputs, sources, and what is believed."""
    fixed = {
        each.fixed.path: fixed_hash(each.fixed.path, each.fixed.told)
        for each in facts.graph.derivations.values()
        if each.fixed is not None and isinstance(each.fixed.digest, Sha256 | NarHash)
    }
    return Known(fixed, facts.input_sources, facts.beliefs.paths)


def _inputs_of(graph: DerivationGraph) -> Mapping[str, Inputs]:
    """What every derivation is given, by its path."""
    hashes: dict[str, str] = {}
    found: dict[str, Inputs] = {}
    for derivation in graph.in_build_order():
        if derivation.fixed is not None:
            fixed = derivation.fixed
            hashes[derivation.path] = fixed_hash(fixed.path, fixed.promised or fixed.digest)
            continue
        used: dict[str, set[str]] = {}
        for path, names in derivation.input_derivations.items():
            used.setdefault(hashes[path], set()).update(names)
        found[derivation.path] = Inputs(used, derivation.input_sources)
        hashes[derivation.path] = derivation_hash(_told(derivation), found[derivation.path])
    return found


def _plain(of: Inputs | None) -> dict[str, Any] | None:
    if of is None:
        return None
    return {
        "derivations": {digest: sorted(names) for digest, names in sorted(of.derivations.items())},
        "sources": sorted(of.sources),
    }
