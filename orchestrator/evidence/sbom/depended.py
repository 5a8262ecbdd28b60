"""What lock files say: which packages a project asks for itself, and which those need. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.evidence.sbom.bill import Kind, Relation
from orchestrator.evidence.sbom.component import Component, Role
from orchestrator.evidence.sbom.parts import Parts
from orchestrator.nix.derivation import Derivation, DerivationGraph

if TYPE_CHECKING:  # most closures have none
    from orchestrator.pinning.depended import Depended, Within


_BY_LOCK = "The project's lock file says that it is there; nobody compared its bytes."
_ARCHIVES = ("tar", "nar", "oci")
_NOTHING = Parts()


def mark(dependencies: Mapping[str, Sequence[Depended]], components: MutableMapping[str, Component]) -> None:
    """Have the components that lock files pin be dependencies."""
    for each in (one for some in dependencies.values() for one in some if one.path in components):
        components[each.path] = replace(components[each.path], role=Role.DEPENDENCY)


def of_package(artifact: Derivation) -> Kind:
    """What a recipe's artifact has to do with the package: it is packed in it, or is a file out of it."""
    packed = artifact.env.get("tallyFormat", "").startswith(_ARCHIVES)
    return Kind.CONTAINS if packed else Kind.GENERATED_FROM


def inside(within: Mapping[str, Sequence[Within]]) -> Parts:
    """What lock files say is within what was fetched; store path to packages."""
    if not within:
        return _NOTHING
    from orchestrator.evidence.vendored import package

    return Parts(
        {
            path: package.Within.of(
                package.Package(each.name, each.version, each.purl, notes=(_BY_LOCK,)) for each in some
            )
            for path, some in within.items()
        }
    )


def relations(
    dependencies: Mapping[str, Sequence[Depended]],
    graph: DerivationGraph,
    outputs: Callable[[Derivation], Iterable[str]],
) -> Iterator[Relation]:
    """Of recipe name to what its lock files pin; `outputs` are how a bill names those of a derivation."""
    for name, pinned in dependencies.items():
        kind = {each.path: Kind.DEPENDS_ON if each.shipped else Kind.DEVELOPED_WITH for each in pinned}
        for project in _packages(graph, name, outputs):
            for each in pinned:
                if each.direct:
                    yield Relation(project, kind[each.path], each.path)
        for each in pinned:
            for needed in each.needs:
                of = kind[needed] if each.shipped else Kind.DEVELOPED_WITH
                yield Relation(each.path, of, needed)


def _packages(
    graph: DerivationGraph, recipe: str, outputs: Callable[[Derivation], Iterable[str]]
) -> Iterator[str]:
    """The outputs of a recipe's package."""
    for derivation in graph.derivations.values():
        if (derivation.env.get("tallyKind"), derivation.env.get("tallyName")) == ("package", recipe):
            yield from outputs(derivation)
