"""From derivations that no recipe made to a plan: they are taken as they are, and packed by ours."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orchestrator.builders import host
from orchestrator.evidence.definition import Definition, of_derivation
from orchestrator.evidence.facts import Package
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.derivation import Derivation, DerivationGraph, name_and_version
from orchestrator.nix.evaluation import Evaluated, evaluate_packing
from orchestrator.pinning.packing import packing_lock, packing_request
from orchestrator.recipe.image import described
from orchestrator.recipe.licences import check_license
from orchestrator.recipe.recipe import ArtifactPart
from orchestrator.repositories.repository import Unversioned
from orchestrator.repositories.revision import Revision
from orchestrator.run.bringing import bring, deriver_of, floating, stands_for
from orchestrator.run.plan import Plan, Taken, Target
from orchestrator.run.workshop import Workshop
from orchestrator.sources.origins import Origin, origins_of

_NAME = re.compile(r"[0-9A-Za-z+_?=][0-9A-Za-z+._?=-]*|")
"""What Nix takes as a store path's name; no hidden file."""
_LONGEST = 211 - len(".oci.tar.drv")
"""Characters of a store path's name that are left for a package's."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One derivation, valid in the orchestrator's store, and what is known of it besides."""

    asked: str
    recorded: str
    derivation: str
    """Its `.drv` path."""
    definition: Definition
    output: str | None = None
    """The output that is packed; None: the first that it has."""
    name: str | None = None
    version: str | None = None
    summary: str | None = None
    homepage: str | None = None
    license: str | None = None
    cpes: tuple[str, ...] = ()
    position: str | None = None
    revision: Revision | None = None
    unversioned: str | None = None
    evaluation: Mapping[str, Any] | None = None
    chosen: str | None = None
    """The output that was asked for by its name."""

    def with_output(self, output: str | None) -> Wanted:
        """The same, with what it was asked for; None: its default."""
        if output is None:
            return self
        asked = f"{self.derivation}^{output}"
        return replace(self, output=output, chosen=output, asked=asked, recorded=asked)


def taken(workshop: Workshop, paths: Sequence[str], address: str | None = None) -> list[Wanted]:
    """`.drv` paths, brought into the orchestrator's store where it lacks them.

    From the store at `address`, or this machine's. Raises TallyError for one that cannot be had.
    """
    bring(workshop, paths, address)
    return [
        Wanted(
            path,
            path,
            path,
            of_derivation(path.rsplit("/", 1)[-1], Sha256.of_file(workshop.store.physical(path))),
            unversioned=f"{path} was given as a derivation, which is from no repository",
        )
        for path in paths
    ]


def derived(workshop: Workshop, paths: Sequence[str], address: str | None = None) -> list[Wanted]:
    """Store paths by their derivers, whose output they are. Raises TallyError where nobody knows it."""
    found = []
    for path in paths:
        deriver = deriver_of(workshop, path, address)
        (one,) = taken(workshop, [deriver], address)
        outputs = workshop.store.derivation(deriver).outputs
        output = next((name for name, made in outputs.items() if made == path), None)
        if output is None:
            raise TallyError(
                f"{path} is no output of {deriver}, which its store names as its deriver",
                hint="evaluate it again, or give a .drv",
            )
        found.append(replace(one, asked=path, recorded=path, output=output))
    return found


def planned(
    workshop: Workshop,
    wanted: Sequence[Wanted],
    artifact: ArtifactPart,
    request: Mapping[str, Any] | None = None,
    system: str | None = None,
) -> Plan:
    """A plan for derivations that are in the orchestrator's store. Raises TallyError.

    With `request`, they are packed as that says, and not by what this version packs with. `system` is
    what they have to be for; None: what this machine is.
    """
    store, system = workshop.store, system or host.nix_system()
    whole = store.graph([each.derivation for each in wanted], any_digest=True)
    graph = whole.as_built()
    for each in wanted:
        _refuse(graph, each, system)
        _refuse_long(each, _package(each, graph, system))
        if each.evaluation is not None:
            _refuse_places(graph.below(each.derivation), each, (store.root, store.nix.scratch))
    _refuse_strange_sources(store, graph, wanted)
    lock = packing_lock(system)
    requested = [
        _described(each, graph[each.derivation], _package(each, graph, system), artifact) for each in wanted
    ]
    request = request or packing_request(lock, system, requested)
    evaluated = evaluate_packing(store, request)
    artifacts = [each.artifact for each in evaluated]
    whole = store.graph(artifacts, any_digest=True, read=whole.derivations).as_built()
    licences = {package.sha256: package.license for package in lock.package if package.license is not None}
    targets = {}
    for each, one, asked in zip(wanted, evaluated, requested, strict=True):
        targets[each.asked] = Target(
            asked=each.asked,
            recorded=each.recorded,
            package=_package(each, graph, system),
            evaluated=one,
            graph=whole.below(one.artifact),
            toolchains=(),
            origins=_origins(request, one),
            licences=licences,
            made_from=Taken(
                each.definition, packing_request(lock, system, [asked]), each.evaluation, each.chosen
            ),
            revision=each.revision,
            unversioned=None if each.unversioned is None else Unversioned(each.unversioned),
            request=request,
            folder=Path(),
        )
    return Plan(targets, whole, request, None, None, ())


def _refuse_long(wanted: Wanted, package: Package) -> None:
    """Raises TallyError where Nix takes no name that is long enough for what is packed of it."""
    length = len(package.release_name)
    if length > _LONGEST:
        raise TallyError(
            f"{wanted.asked}: its name, version and system have {length} characters, and at most {_LONGEST} "
            "fit into the names of files",
            hint="give it a shorter name",
        )


def _described(
    wanted: Wanted, derivation: Derivation, package: Package, artifact: ArtifactPart
) -> Mapping[str, Any]:
    """One target of a packing request."""
    return {
        "name": package.name,
        "version": package.version,
        "drv": derivation.path,
        "outputs": dict(derivation.outputs),
        "output": wanted.output or _default(derivation),
        "artifact": _artifact(artifact, package),
        **({} if package.output is None else {"suffix": package.output}),
    }


def _artifact(artifact: ArtifactPart, package: Package) -> Mapping[str, Any]:
    found: dict[str, Any] = {"format": artifact.format, "path": artifact.path}
    if artifact.format == "oci":
        label = "-".join(part for part in (package.name, package.version) if part)
        found["image"] = described(artifact, label, "out")
    return found


def _default(derivation: Derivation) -> str:
    """The output that a derivation's user gets who names none: Nix takes the first in `outputs`."""
    names = derivation.env.get("outputs", "").split()
    return next((name for name in names if name in derivation.outputs), min(derivation.outputs))


def _package(wanted: Wanted, graph: DerivationGraph, system: str) -> Package:
    """What a derivation says of itself, where its evaluation has told nothing."""
    derivation = graph[wanted.derivation]
    name, version = name_and_version(derivation)
    # a package may call itself anything, and files and a store path are named after it
    told = all(each is None or _NAME.fullmatch(each) for each in (wanted.name, wanted.version))
    return Package(
        (wanted.name if told else None) or name,
        (wanted.version if told else None) or version,
        system,
        wanted.summary,
        wanted.homepage,
        wanted.license,
        wanted.cpes,
        wanted.position,
        # by the derivation alone, so that an output has one name however it was asked for
        None if wanted.output == _default(derivation) else wanted.output,
    )


def _origins(request: Mapping[str, Any], evaluated: Evaluated) -> Mapping[str, Origin]:
    found = origins_of(None, request)
    return {each.path: found[each.name, each.digest] for each in evaluated.fixed}


def _refuse_strange_sources(store: ChrootStore, graph: DerivationGraph, wanted: Sequence[Wanted]) -> None:
    """Raises TallyError for a source that was built: it was taken from what happened to be in our store."""
    sources = sorted({path for drv in graph.derivations.values() for path in drv.input_sources})
    brought_by = _with_references(store, sources)
    strange = next((path for path in brought_by if not stands_for(store, path)), None)
    if strange is None:
        return
    for one in wanted:
        below = graph.below(one.derivation).derivations.values()
        if user := next((each for each in below if brought_by[strange] in each.input_sources), None):
            raise TallyError(
                f"{one.asked}: {user.name} uses {strange} as a source, and its path does not follow from its "
                "content: it was built somewhere",
                hint="use the derivation that makes it, by its attribute or with `import` of its .drv",
            )


def _with_references(store: ChrootStore, sources: Sequence[str]) -> Mapping[str, str]:
    """These sources and all that they refer to, each to the source that brings it into a build."""
    found = {path: path for path in sources}
    queue = list(sources)
    while queue:
        known = store.information(queue)
        below = {each: found[path] for path, info in known.items() for each in info.references}
        queue = sorted(below.keys() - found.keys())
        found |= {path: below[path] for path in queue}
    return found


def _refuse_places(graph: DerivationGraph, wanted: Wanted, places: Sequence[Path]) -> None:
    """Raises TallyError for a derivation that was evaluated and names where it was: pure Nix 2.8 tells it."""
    for each in graph.derivations.values():
        for text in (each.builder_executable, *each.args, *each.env.values()):
            if any(str(place) in text for place in places):
                raise TallyError(
                    f"{wanted.asked}: {each.name} names a folder of this machine: nobody can make it again",
                    hint="the flake has `toString ./.` or `~/.`: `${./.}` puts the folder into the store",
                )


def _refuse(graph: DerivationGraph, wanted: Wanted, system: str) -> None:
    """Raises TallyError for what cannot be built on several builders and compared."""
    derivation = graph[wanted.derivation]
    if wanted.output is not None and wanted.output not in derivation.outputs:
        raise TallyError(
            f"{wanted.asked} has no output {wanted.output}", hint=f"it has {', '.join(derivation.outputs)}"
        )
    if derivation.fixed is not None:
        raise TallyError(
            f"{wanted.asked} is a fixed output: its digest says what it is, and there is nothing to compare",
            hint="ask for what is built from it",
        )
    if derivation.system not in (system, "builtin"):
        raise TallyError(
            f"{wanted.asked} is for {derivation.system}, and this run for {system}",
            hint=f"give `--system {derivation.system}` and builders for it, or an attribute for {system}",
        )
    for each in graph.derivations.values():
        if each.floating:
            what = "is" if each is derivation else f"is built with {each.name}, which is"
            raise floating(wanted.asked, what)


def licence_of(names: Sequence[str]) -> str | None:
    """One SPDX expression for all of them; None where one is no identifier of the list."""
    try:
        return " AND ".join(check_license(name) for name in names) or None
    except ValueError:
        return None
