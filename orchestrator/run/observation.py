"""What was observed in a run, as the evidence needs it."""

from __future__ import annotations

import uuid
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from orchestrator.agreement.agreement import Agreed
from orchestrator.caches.believed import Beliefs
from orchestrator.dependencies.metadata import Metadata
from orchestrator.evidence.canonical import MalformedError
from orchestrator.evidence.facts import Artifact, Carried, ReleaseFacts, ReleaseFile
from orchestrator.evidence.source import DERIVATIONS, derivation_files, source_files
from orchestrator.ground.digest import NarHash, OtherDigest, Sha256
from orchestrator.ledger.entries import Depth
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.derivation import DerivationGraph, FixedOutput
from orchestrator.nix.standing import rule_of
from orchestrator.nix.store import PathInfo
from orchestrator.nix.storepath import ByContent
from orchestrator.publishing.registry.archive import manifest_of
from orchestrator.run.metadata import metadata_of, of_dependencies, of_registry
from orchestrator.run.plan import MadeFrom, Taken, Target
from orchestrator.signing import gate

_CHUNK = 1 << 20
_USUAL = ByContent("source", None)


def facts_of(
    store: ChrootStore,
    target: Target,
    agreed: Agreed,
    quorum: int,
    artifact: Path,
    beliefs: Beliefs,
    *,
    depth: Depth | None = None,
    deep: bool = False,
    carried: Carried | None = None,
) -> ReleaseFacts:
    """What was observed of one target, gathered for the evidence.

    `store` is the orchestrator's, `artifact` the file that will be published. Raises TallyError when one of
    them cannot be read.
    """
    sha256, size, _ = gate.measure(artifact)
    builds = [report.builds[path] for report in agreed.reports for path in agreed.outputs]
    graph = _by_sha256(store, target.graph, target.origins)
    sources = {path for drv in graph.derivations.values() for path in drv.input_sources}
    known = store.information(sources)
    made_from = target.made_from
    recipe, lock, definition = None, None, None
    if isinstance(made_from, MadeFrom):
        recipe, lock = made_from.file, made_from.lock_file
    else:
        definition = made_from.definition
    name = target.evaluated.artifact_file_name
    told, dependencies = of_dependencies(store, target.dependencies)
    _refuse_mislabelled(store, target)
    try:
        manifest = manifest_of(name, sha256, size, artifact)
    except MalformedError:  # an image by its name alone
        manifest = None
    return ReleaseFacts(
        package=target.package,
        artifact=Artifact(name, sha256, size, manifest),
        target=target.recorded,
        package_derivation=target.evaluated.package,
        artifact_derivation=target.evaluated.artifact,
        graph=graph,
        agreed=agreed,
        quorum=quorum,
        input_sources={path: info.nar_hash for path, info in known.items()},
        by_content=dict(_by_content(store, known)),
        origins=target.origins,
        licences={**target.licences, **_licences(told, graph)},
        toolchains=target.toolchains,
        recipe=recipe,
        lock=lock,
        revision=target.revision,
        source=_source(store, target, sources),
        started=min(build.started for build in builds),
        finished=max(build.finished for build in builds),
        invocation_id=str(uuid.uuid4()),
        definition=definition,
        beliefs=beliefs.of(target.graph),
        depth=depth,
        dependencies=dependencies,
        within=target.within,
        deep=deep and depth is not None and depth.deep and not agreed.converged,
        carried=carried,
    )


def _by_sha256(store: ChrootStore, graph: DerivationGraph, ours: Container[str]) -> DerivationGraph:
    """The graph, with the NAR hash of each fixed output that is promised by another digest; of ours, sha256.

    Nix checked that digest when the output came into the store, and builders got it from there.
    """
    others = {
        path: each.fixed
        for path, each in graph.derivations.items()
        if each.fixed is not None and isinstance(each.fixed.digest, OtherDigest)
    }
    if not others:
        return graph
    paths = {each.path for each in others.values()}
    seen: dict[str, Sha256 | NarHash] = {
        path: of.nar_hash for path, of in store.information(sorted(paths)).items()
    }
    seen |= {path: Sha256.of_file(store.physical(path)) for path in sorted(paths) if path in ours}
    mended = {
        path: replace(graph[path], fixed=FixedOutput(each.path, seen[each.path], each.digest))
        for path, each in others.items()
    }
    return DerivationGraph({**graph.derivations, **mended}, graph.roots)


def _by_content(store: ChrootStore, known: Mapping[str, PathInfo]) -> Iterator[tuple[str, ByContent]]:
    """What the path of each source follows from, where that is not its NAR hash alone; nothing of others."""
    for path, info in known.items():
        rule = rule_of(store, info)
        if rule is not None and rule != _USUAL:
            yield path, rule


def _refuse_mislabelled(store: ChrootStore, target: Target) -> None:
    """Raises TallyError where a source of the recipe is another package than its package URL says."""
    pinned = {one.path for some in target.dependencies.values() for one in some}
    for path, origin in target.origins.items():
        registered = of_registry(origin.purl) if origin.purl is not None and path not in pinned else None
        if registered is not None:
            metadata_of(store.physical(path), registered, "the recipe")


def _licences(told: Mapping[str, Metadata], graph: DerivationGraph) -> Mapping[str, str]:
    """sha256 (hexadecimal) to the licence."""
    found: dict[str, str] = {}
    for path, each in told.items():
        fixed = graph.by_output[path].fixed
        if each.license is not None and fixed is not None:
            found[fixed.sha256.hex] = each.license
    return found


def _source(store: ChrootStore, target: Target, sources: Iterable[str]) -> tuple[ReleaseFile, ...]:
    match target.made_from:
        case MadeFrom(recipes=recipes, lock=lock, request=request):
            return source_files(recipes, lock, request, _scripts(store, sources))
        case Taken(request=request, evaluation=evaluation):
            exported = exported_derivations(store, target.evaluated.artifact)
            return derivation_files(exported, request, evaluation)


def exported_derivations(store: ChrootStore, derivation: str) -> ReleaseFile:
    """A derivation with all below it and their input sources, as `nix-store --import` takes them."""
    paths = store.requisites([derivation])
    file = store.nix.scratch / f"{uuid.uuid4()}.export"
    with file.open("wb") as stream:
        store.export(paths, stream.write)
    sha256, size, _ = gate.measure(file)

    def chunks() -> Iterator[bytes]:
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk

    return ReleaseFile(DERIVATIONS, sha256, size, chunks)


def _scripts(store: ChrootStore, paths: Iterable[str]) -> Mapping[str, bytes]:
    """The flat files among these store paths, by name: our build scripts, which derivations use."""
    files = {path.rsplit("/", 1)[-1]: store.physical(path) for path in paths}
    return {name: file.read_bytes() for name, file in files.items() if file.is_file()}
