"""The bill of a release: its artifact, what was built with it, and every material. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from orchestrator.builders.build import BuiltPath
from orchestrator.evidence.facts import ReleaseFacts
from orchestrator.evidence.materials import Material, built_here
from orchestrator.evidence.purls import name_and_version
from orchestrator.evidence.sbom import depended, naming
from orchestrator.evidence.sbom.bill import Bill, Build, Kind, Relation
from orchestrator.evidence.sbom.component import Component, Role
from orchestrator.evidence.sbom.parts import Parts
from orchestrator.evidence.sbom.spdx2_packages import supplier_of
from orchestrator.evidence.terms import Kind as MaterialKind
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.nix.derivation import Derivation, name_of
from orchestrator.recipe.purls import package_url

_NOTHING = Parts()
_ROLES = {
    MaterialKind.SOURCE: Role.SOURCE,
    MaterialKind.TOOLCHAIN: Role.TOOLCHAIN,
    MaterialKind.FETCHED: Role.FETCHED,
    MaterialKind.FILE: Role.FILE,
    MaterialKind.BUILT: Role.BUILT,
    MaterialKind.BELIEVED: Role.BELIEVED,
}


_DEEP = (
    "Every derivation of the build-time closure, down to fixed outputs, was built by every builder, and they "
    "agreed on each; no input was believed."
)


def bill_of(facts: ReleaseFacts, materials: Sequence[Material], parts: Parts = _NOTHING) -> Bill:
    """The same build gives the same bill, whenever it ran. Raises TallyError for an unknown reference."""
    artifact = facts.artifact_output.path
    outputs = [_output(facts, output) for path, output in facts.products.items() if path != artifact]
    components = {each.ref: each for each in (_artifact(facts), *outputs, *map(_material, materials))}
    depended.mark(facts.dependencies, components)
    refs = set(components)
    relations = list(_relations(facts, materials, refs))
    parts.add(components, relations)
    depended.inside(facts.within).add(components, relations)
    return Bill.of(
        facts.release_name,
        [artifact],
        components.values(),
        relations,
        _builds(facts, refs),
        epoch=facts.graph[facts.package_derivation].env.get("SOURCE_DATE_EPOCH", ""),
        comment=_comment(facts),
    )


def _comment(facts: ReleaseFacts) -> str | None:
    """How deep it was built, and what is left out."""
    if facts.agreed.converged:
        names = ", ".join(dict.fromkeys(name_of(each.path) for each in facts.agreed.converged))
        return (
            f"Builders made different bytes of these inputs, which are left out: {names}. What was made with "
            "them, and is the artifact or in it, came out the same."
        )
    return _DEEP if facts.deep else None


def _artifact(facts: ReleaseFacts) -> Component:
    package, artifact = facts.package, facts.artifact
    return Component(
        ref=facts.artifact_output.path,
        name=package.name,
        role=Role.ARTIFACT,
        version=package.version,
        digest=artifact.sha256,
        file_name=artifact.file_name,
        derivation=facts.artifact_derivation,
        purl=package_url("generic", package.name, package.version, checksum=f"sha256:{artifact.sha256.hex}"),
        license=package.license,
        license_text=f"{package.name}'s source",
        summary=package.summary,
        homepage=package.homepage,
        cpes=naming.cpes(package.cpes),
        position=package.position,
    )


def _output(facts: ReleaseFacts, output: BuiltPath) -> Component:
    derivation = facts.graph.by_output[output.path]
    env = derivation.env
    return Component(
        ref=output.path,
        name=env.get("tallyName") or name_of(output.path),
        role=Role.PRODUCT,
        version=env.get("tallyVersion") or env.get("version") or None,
        path=output.path,
        digest=output.nar_hash,
        derivation=derivation.path,
        license=env.get("tallyLicense") or None,
        license_text=f"{env.get('tallyName', output.path)}'s source",
    )


def _material(material: Material) -> Component:
    return Component(
        ref=material.path,
        name=name_and_version(material.purl)[0] or material.name,
        role=_ROLES[material.kind],
        version=material.version,
        path=material.path,
        digest=material.digest,
        file_name=material.name if isinstance(material.digest, Sha256) else None,
        uris=material.uris,
        purl=material.purl,
        license=material.license,
        license_text=material.name,
        supplier=_supplier(material),
    )


def _supplier(material: Material) -> str | None:
    if material.believed is not None:
        return material.believed.signature.partition(":")[0]
    return supplier_of(material.uris, material.purl)


def _relations(facts: ReleaseFacts, materials: Sequence[Material], refs: set[str]) -> Iterator[Relation]:
    kinds = {material.path: material.kind for material in materials}
    for derivation in built_here(facts.graph, facts.artifact_derivation, facts.beliefs):
        made = [path for path in derivation.outputs.values() if path in refs]
        for path in _used(facts, derivation):
            for element in made:
                yield Relation(element, _kind(facts, derivation, kinds, element, path), path)
    yield from depended.relations(facts.dependencies, facts.graph, lambda made: made.outputs.values())
    yield from _runtime(facts, refs)


def _builds(facts: ReleaseFacts, refs: set[str]) -> Iterator[Build]:
    """What each builder built: the derivations of whose outputs the bill tells."""
    for derivation in built_here(facts.graph, facts.artifact_derivation, facts.beliefs):
        outputs = tuple(sorted(path for path in derivation.outputs.values() if path in refs))
        inputs = tuple(sorted({path for path in _used(facts, derivation) if path in refs}))
        for report in facts.agreed.reports:
            if outputs:
                yield Build(derivation.path, derivation.system, report.identity.name, inputs, outputs)


def _used(facts: ReleaseFacts, derivation: Derivation) -> Iterator[str]:
    yield from derivation.input_sources
    for path, names in derivation.input_derivations.items():
        needed = facts.graph[path]
        if needed.fixed is not None:
            yield needed.fixed.path
        else:
            unlike = {each.path for each in facts.agreed.converged}
            yield from (needed.outputs[name] for name in names if needed.outputs[name] not in unlike)


def _kind(
    facts: ReleaseFacts,
    derivation: Derivation,
    kinds: Mapping[str, MaterialKind],
    element: str,
    path: str,
) -> Kind:
    """What one use of a store path by a derivation is."""
    if element == facts.artifact_output.path and path in facts.products:
        return depended.of_package(derivation)
    if path == derivation.env.get("tallyBase"):
        return Kind.CONTAINS
    is_root = derivation.env.get("tallyKind") == "toolchain-root"
    match kinds.get(path):
        case MaterialKind.SOURCE:
            return Kind.GENERATED_FROM
        case MaterialKind.TOOLCHAIN if is_root and (path.endswith(".deb") or path in _parts(derivation)):
            return Kind.CONTAINS
        case MaterialKind.TOOLCHAIN | MaterialKind.FILE:
            return Kind.BUILT_WITH
        case MaterialKind.BUILT if facts.graph.by_output[path].env.get("tallyKind") == "toolchain-root":
            return Kind.BUILT_WITH
        case MaterialKind.FETCHED if (
            path in derivation.env.get("src", "").split() + derivation.env.get("srcs", "").split()
        ):
            return Kind.GENERATED_FROM
        case _:
            return Kind.BUILD_INPUT


def _parts(root: Derivation) -> Iterator[str]:
    """What a toolchain's root is put together of: nix/debian.nix."""
    for name in ("tallyPackages", "tallyArchives", "tallyLayers"):
        yield from root.env.get(name, "").split()


def _runtime(facts: ReleaseFacts, refs: set[str]) -> Iterator[Relation]:
    """The runtime closure: what the bytes of each output refer to, and what those refer to."""
    known = {path: built.references for path, built in {**facts.agreed.inputs, **facts.products}.items()}
    for path, told in facts.beliefs.paths.items():
        known[path] = tuple(each for each in told.references if each != path)
    queue = list(facts.products)
    seen = set(queue)
    while queue:
        path = queue.pop()
        if path not in known:  # fetched, or a file: such paths refer to nothing that was built
            continue
        for reference in known[path]:
            if reference not in refs:
                raise TallyError(
                    f"{path} refers to {reference}, which is not in its build-time closure",
                    hint="`tally plan` shows the closure; the store may be damaged: `nix-store --verify`",
                )
            yield Relation(path, Kind.REFERS_TO, reference)
            if reference not in seen:
                seen.add(reference)
                queue.append(reference)
