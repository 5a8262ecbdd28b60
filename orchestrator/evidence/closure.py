"""The build-time closure that a provenance tells: which command is given what. Pure.

Down to fixed outputs and to what is believed, as docs/predicates/build.md has it. A command's inputs are
those that its texts name, and the sources that the provenance lists besides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.evidence.canonical import MalformedError, member
from orchestrator.evidence.commands import read
from orchestrator.evidence.shown import Graph, Node
from orchestrator.nix.derivation import called
from orchestrator.nix.outputpath import Places

_WHAT = "the provenance"
_ORDER = ("source", "fetched", "derivation", "believed", "file", "toolchain", "toolchain-root")
"""A recipe's own inputs come first, what all recipes have comes last."""


def materials(predicate: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Each material of a provenance: what has a kind. Raises MalformedError."""
    build = member(predicate, "buildDefinition", dict, _WHAT)
    for each in member(build, "resolvedDependencies", list, _WHAT):
        noted = each.get("annotations") if isinstance(each, dict) else None
        if isinstance(noted, dict) and "kind" in noted:
            yield each


def graph_of(predicate: Mapping[str, Any]) -> Graph | None:
    """The closure; None: no commands are told, as by releases of earlier versions. Raises MalformedError."""
    found = read(predicate)
    if not found:
        return None
    nodes: dict[str, Node] = {}
    ranked = {command.derivation: command.environment.get("tallyKind", "") for command, _ in found}
    places: dict[str, str] = {}
    for each in materials(predicate):
        noted = member(each, "annotations", dict, "a material")
        kind, path = (member(noted, key, str, "a material") for key in ("kind", "storePath"))
        if kind != "built":  # a command makes it, which stands for it
            nodes[path] = Node(id=path, name=member(each, "name", str, "a material"), kind=kind)
            places[path] = path
    for command, _ in found:
        places |= dict.fromkeys(command.outputs.values(), command.derivation)
    named = Places(places)
    used: dict[str, set[str]] = {}
    for command, told in found:
        more = [places[path] for path in (told.sources if told is not None else ()) if path in places]
        used[command.derivation] = ({*named.named(command), *more}) - {command.derivation}
        name = called(command.derivation)
        nodes[command.derivation] = Node(id=command.derivation, name=name, kind="derivation")
    for derivation, inputs in used.items():
        ordered = sorted(
            inputs, key=lambda path: (_rank(ranked.get(path), nodes[path].kind), nodes[path].name, path)
        )
        nodes[derivation] = nodes[derivation].model_copy(update={"inputs": tuple(ordered)})
    root = _artifact(predicate)
    if root not in nodes:
        raise MalformedError(f"{_WHAT} has no command that makes the artifact")
    return Graph(root=root, nodes=tuple(nodes.values()))


def _rank(told: str | None, kind: str) -> int:
    """By what a derivation of ours says it is, else by its kind."""
    found = told if told == "toolchain-root" else kind
    return _ORDER.index(found) if found in _ORDER else len(_ORDER)


def _artifact(predicate: Mapping[str, Any]) -> str:
    build = member(predicate, "buildDefinition", dict, _WHAT)
    internal = member(build, "internalParameters", dict, _WHAT)
    return member(member(internal, "artifact", dict, _WHAT), "derivation", str, _WHAT)
