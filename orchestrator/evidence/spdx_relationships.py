"""How the SBOM's packages hang together (SPDX 2.3, clause 11), read off the derivations. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.evidence.facts import ReleaseFacts
from orchestrator.evidence.materials import Material, built_here
from orchestrator.evidence.spdx_packages import ARTIFACT, identifier
from orchestrator.evidence.terms import Kind
from orchestrator.ground.errors import TallyError
from orchestrator.nix.derivation import Derivation

Edge = tuple[str, str, str]
_ARCHIVES = ("tar", "nar", "oci")


def relationships(facts: ReleaseFacts, materials: Sequence[Material]) -> list[Edge]:
    """(element, type, related element), sorted, each once.

    Raises TallyError for a reference to nothing known.
    """
    ids = {material.path: identifier(material.path) for material in materials}
    ids.update((path, identifier(path)) for path in facts.products)
    ids[facts.artifact_output.path] = ARTIFACT
    kinds = {material.path: material.kind for material in materials}
    edges: dict[Edge, None] = {}
    for derivation in built_here(facts.graph, facts.artifact_derivation):
        made = [ids[path] for path in derivation.outputs.values() if path in ids]
        for path in _used(facts, derivation):
            for element in made:
                edges[_edge(facts, derivation, kinds, element, path, ids[path])] = None
    for edge in _runtime(facts, ids):
        edges[edge] = None
    return sorted(edges)


def _used(facts: ReleaseFacts, derivation: Derivation) -> Iterator[str]:
    yield from derivation.input_sources
    for path, names in derivation.input_derivations.items():
        needed = facts.graph[path]
        if needed.fixed is not None:
            yield needed.fixed.path
        else:
            yield from (needed.outputs[name] for name in names)


def _edge(
    facts: ReleaseFacts, derivation: Derivation, kinds: dict[str, Kind], element: str, path: str, used: str
) -> Edge:
    """One use of a store path by a derivation, as the specification's table names it (clause 11.1)."""
    if element == ARTIFACT and path in facts.products:
        packed = derivation.env.get("tallyFormat", "").startswith(_ARCHIVES)
        return (ARTIFACT, "CONTAINS" if packed else "GENERATED_FROM", used)
    is_root = derivation.env.get("tallyKind") == "toolchain-root"
    match kinds.get(path):
        case Kind.SOURCE:
            return (element, "GENERATED_FROM", used)
        case Kind.TOOLCHAIN if is_root and path.endswith(".deb"):
            return (element, "CONTAINS", used)
        case Kind.TOOLCHAIN | Kind.FILE:
            return (used, "BUILD_TOOL_OF", element)
        case Kind.BUILT if facts.graph.by_output[path].env.get("tallyKind") == "toolchain-root":
            return (used, "BUILD_TOOL_OF", element)
        case Kind.FETCHED if (
            path in derivation.env.get("src", "").split() + derivation.env.get("srcs", "").split()
        ):
            return (element, "GENERATED_FROM", used)
        case _:
            return (used, "BUILD_DEPENDENCY_OF", element)


def _runtime(facts: ReleaseFacts, ids: dict[str, str]) -> Iterator[Edge]:
    """The runtime closure: what the bytes of each output refer to, and what those refer to."""
    known = {**facts.agreed.inputs, **facts.products}
    queue = list(facts.products)
    seen = set(queue)
    while queue:
        path = queue.pop()
        if path not in known:  # fetched, or a file: such paths refer to nothing that was built
            continue
        for reference in known[path].references:
            if reference not in ids:
                raise TallyError(
                    f"{path} refers to {reference}, which is not in its build-time closure",
                    hint="`tally plan` shows the closure; the store may be damaged: `nix-store --verify`",
                )
            yield (ids[path], "DEPENDS_ON", ids[reference])
            if reference not in seen:
                seen.add(reference)
                queue.append(reference)
