"""From derivations that no recipe made to a plan: they are taken as they are, and packed by ours."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orchestrator.builders import host
from orchestrator.evidence.definition import Definition, of_derivation
from orchestrator.evidence.facts import Package
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import contents
from orchestrator.nix.address import checked
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.command import NixFailed
from orchestrator.nix.derivation import Derivation, DerivationGraph, name_and_version, name_of
from orchestrator.nix.evaluation import Evaluated, evaluate_packing
from orchestrator.nix.remote import RemoteStore, nothing_kept
from orchestrator.nix.store import Store
from orchestrator.nix.storepath import flat_path, source_path, text_path
from orchestrator.recipe.image import described
from orchestrator.recipe.licences import check_license
from orchestrator.recipe.origins import Origin, origins_of
from orchestrator.recipe.packing import packing_lock, packing_request
from orchestrator.recipe.recipe import ArtifactPart
from orchestrator.recipe.repository import Unversioned
from orchestrator.recipe.revision import Revision
from orchestrator.run.plan import Plan, Taken, Target
from orchestrator.run.workshop import Workshop

MACHINES_STORE = "auto"
"""What Nix calls the store of the machine that it runs on."""
_STORE = Path("/nix/store")
_NAME = re.compile(r"[0-9A-Za-z+_?=][0-9A-Za-z+._?=-]*|")
"""What Nix takes as a store path's name; no hidden file."""
_LONGEST = 211 - len(".oci.tar.drv")
"""Characters of a store path's name that are left for a package's."""
_FLOATING = ("ca-derivations", "impure-derivations")
"""Features of Nix that are off here; so it does not even take such a derivation."""


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
        deriver = _deriver(workshop, path, address)
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


def _deriver(workshop: Workshop, path: str, address: str | None) -> str:
    """The derivation that a store says made a path: the orchestrator's, or the one that is looked at."""
    stores: list[Store] = [workshop.store]
    if address is not None or _STORE.is_dir():
        stores.append(_other(workshop, address))
    held = [store for store in stores if not store.invalid([path])]
    if not held:
        where = "the orchestrator's store"
        if len(stores) > 1:
            where += f" or {_called(address)}"
        raise _nowhere(path, where, workshop.state.holding(path))
    for store in held:
        if (deriver := store.deriver(path)) is not None:
            return deriver
    raise TallyError(
        f"nobody wrote down which derivation made {path}",
        hint="a path that was added or copied has no deriver: evaluate it again, or give a .drv",
    )


def bring(workshop: Workshop, paths: Sequence[str], address: str | None) -> None:
    """Derivations with all below them, from another store. Raises TallyError where it lacks one."""
    store = workshop.store
    lacking = sorted(store.invalid(paths))
    if not lacking:
        return
    if address is None and not _STORE.is_dir():
        raise _nowhere(lacking[0], "the orchestrator's store", workshop.state.holding(lacking[0]))
    other, where = _other(workshop, address), _called(address)
    try:
        absent = sorted(other.invalid(lacking))
    except NixFailed as error:
        raise TallyError(f"{where} does not answer: {error.message}", hint=error.hint) from error
    if absent:
        where = f"the orchestrator's store or {where}"
        raise _nowhere(absent[0], where, workshop.state.holding(absent[0]))
    # what is in that store is somebody's word; a copy of its own is looked at first
    brought = ChrootStore(store.nix, store.nix.scratch / f"brought-{uuid.uuid4()}")
    try:
        brought.copy_from(other, lacking)
    except NixFailed as error:
        if not any(each in error.said for each in _FLOATING):
            raise TallyError(
                f"{lacking[0]} cannot be copied from {where}, or its inputs cannot: {error.message}",
                hint="evaluate it again where that store is, or name another store with --store",
            ) from error
        raise _floating(lacking[0], "or what it is built with, is") from error
    _take(store, brought, lacking, where)


def _other(workshop: Workshop, address: str | None) -> RemoteStore:
    """The store at an address, or this machine's. Raises TallyError where there is none."""
    return RemoteStore(
        workshop.store.nix, MACHINES_STORE if address is None else checked(address), nothing_kept
    )


def _called(address: str | None) -> str:
    return "the store of this machine" if address is None else f"the store {address}"


def bring_exported(workshop: Workshop, exported: Path, derivation: str, what: str) -> None:
    """A derivation with all below it, from a file that `nix-store --export` wrote. Raises TallyError.

    `what` is what that file is called.
    """
    store = workshop.store
    brought = ChrootStore(store.nix, store.nix.scratch / f"brought-{uuid.uuid4()}")
    try:
        with exported.open("rb") as stream:
            brought.import_(stream)
    except NixFailed as error:
        raise TallyError(f"{what} cannot be imported: {error.message}", hint=error.hint) from error
    if brought.invalid([derivation]):
        raise TallyError(f"{what} does not hold {derivation}")
    _take(store, brought, [derivation], what)


def _take(store: ChrootStore, brought: ChrootStore, derivations: Sequence[str], where: str) -> None:
    """Raises TallyError where something is not what its path stands for."""
    for path in brought.requisites(derivations):
        if not stands_for(brought, path):
            raise TallyError(
                f"{path} in {where} is not what that path stands for, so nothing was taken from there",
                hint="a store path of a derivation or a source follows from its content: name another store, "
                "or evaluate it again",
            )
    store.copy_from(brought, derivations)


def stands_for(store: ChrootStore, path: str) -> bool:
    """Whether a derivation, or a source of one, has the content that its path was computed from.

    No for all else: what was built stands for what it was built from, and nobody can tell by its content.
    """
    if path.endswith(".drv"):
        try:
            return store.derivation(path, any_digest=True).path == path
        except TallyError:
            return False
    info, file, name = store.information([path])[path], store.physical(path), name_of(path)
    if info.nar_hash != store.nar_hash(path):
        return False
    if path == source_path(name, info.nar_hash.hex, info.references):
        return True
    if file.is_symlink() or not file.is_file():
        return False
    data = contents(file, info.nar_size)
    return path in (text_path(name, data, info.references), flat_path(name, Sha256.of(data).hex))


def _nowhere(path: str, where: str, builders: Path | None) -> TallyError:
    hint = "name the store that has it with --store, or evaluate it again"
    return TallyError(
        f"{path} is not in {where}",
        hint=hint if builders is None else f"a builder of this machine has it: --store {builders}",
    )


def planned(
    workshop: Workshop,
    wanted: Sequence[Wanted],
    artifact: ArtifactPart,
    request: Mapping[str, Any] | None = None,
) -> Plan:
    """A plan for derivations that are in the orchestrator's store. Raises TallyError.

    With `request`, they are packed as that says, and not by what this version packs with.
    """
    store, system = workshop.store, host.nix_system()
    whole = store.graph([each.derivation for each in wanted], any_digest=True)
    graph = whole.as_built()
    for each in wanted:
        _refuse(graph, each, system)
        _refuse_long(each, _package(each, graph, system))
        if each.evaluation is not None:
            _refuse_places(graph.below(each.derivation), each, (store.root, store.nix.scratch))
    _refuse_strange_sources(store, graph, wanted)
    lock = packing_lock()
    requested = [
        _described(each, graph[each.derivation], _package(each, graph, system), artifact) for each in wanted
    ]
    request = request or packing_request(lock, system, requested)
    evaluated = evaluate_packing(store, request)
    whole = store.graph([each.artifact for each in evaluated], any_digest=True).as_built()
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


def _floating(asked: str, what: str) -> TallyError:
    return TallyError(
        f"{asked} {what} content-addressed or impure: only its build tells its store path",
        hint="evaluate it without `__contentAddressed` and `__impure`: what is compared is one path, and a "
        "cache's word for which one it is (a realisation) is not believed",
    )


def _refuse_strange_sources(store: ChrootStore, graph: DerivationGraph, wanted: Sequence[Wanted]) -> None:
    """Raises TallyError for a source that was built: it was taken from what happened to be in our store."""
    sources = sorted({path for drv in graph.derivations.values() for path in drv.input_sources})
    strange = next((path for path in sources if not stands_for(store, path)), None)
    if strange is None:
        return
    for one in wanted:
        below = graph.below(one.derivation).derivations.values()
        if user := next((each for each in below if strange in each.input_sources), None):
            raise TallyError(
                f"{one.asked}: {user.name} uses {strange} as a source, and its path does not follow from its "
                "content: it was built somewhere",
                hint="use the derivation that makes it, by its attribute or with `import` of its .drv",
            )


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
            f"{wanted.asked} is for {derivation.system}, and this machine is {system}",
            hint="run it on a machine of that system, or name an attribute for this one",
        )
    for each in graph.derivations.values():
        if each.floating:
            what = "is" if each is derivation else f"is built with {each.name}, which is"
            raise _floating(wanted.asked, what)


def licence_of(names: Sequence[str]) -> str | None:
    """One SPDX expression for all of them; None where one is no identifier of the list."""
    try:
        return " AND ".join(check_license(name) for name in names) or None
    except ValueError:
        return None
