"""From a release to the plan that it was made by: its own source, evaluated again."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from orchestrator.evidence.canonical import MalformedError, member
from orchestrator.evidence.definition import of_derivation
from orchestrator.evidence.source import DERIVATIONS, recipe_file
from orchestrator.evidence.terms import RECIPES, SOURCE, SOURCE_LOCK
from orchestrator.ground.digest import NarHash, Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import cannot_write
from orchestrator.ground.wording import some
from orchestrator.nix.command import NixFailed
from orchestrator.nix.derivation import DerivationGraph, name_of
from orchestrator.nix.evaluation import LIBRARY
from orchestrator.nix.outputpath import Command
from orchestrator.pinning.depended import Dependencies
from orchestrator.recipe.wanted import fixed_outputs
from orchestrator.repositories.git import git, head
from orchestrator.repositories.gitremote import fetch
from orchestrator.run import derivations, recipes, trees
from orchestrator.run.bringing import bring_exported
from orchestrator.run.claim import Claim
from orchestrator.run.order import How
from orchestrator.run.plan import Plan, Target
from orchestrator.run.trees import Trees
from orchestrator.run.workshop import Workshop
from orchestrator.sources.folder import Sources
from orchestrator.sources.mirrors import Mirrors
from orchestrator.sources.pathsource import PathPin, PathPins
from orchestrator.sources.supply import Located, Supply

_SHOWN: Final = 5
_NIX: Final = (".nix", ".sh", ".awk")
_WHAT: Final = "its request"
_ANOTHER: Final = (
    "this Tallystick, or this version of Nix, evaluates it to something else: build it with the version that "
    "made it, which the provenance names"
)
_TREE: Final = (
    "whoever publishes the release can put the tree of nixpkgs there with --with-sources; where it is at an "
    "address that others have, see whether this machine reaches that"
)


def planned_again(
    workshop: Workshop,
    claim: Claim,
    here: Path,
    say: Callable[[str], None],
    supplies: Sequence[Supply] = (),
) -> Plan:
    """The plan for what a release was made from, with its one target.

    `here` may be in the repository that path sources are from; `supplies` are asked for these first.
    Raises TallyError for a release that carries too little, and where something else comes of what it
    carries.
    """
    found = trees.brought(workshop, claim.request(), supplies) if claim.is_recipe else Trees()
    try:
        plan = _of_recipe(workshop, claim, found) if claim.is_recipe else _of_derivation(workshop, claim)
    except NixFailed as error:
        told = "\n".join((error.message, *(f"beforehand, {each}" for each in found.lacking)))
        raise TallyError(
            f"what {claim.name} carries in {SOURCE} cannot be evaluated: {told}",
            hint=_TREE if found.lacking else _ANOTHER,
        ) from error
    (asked, target), *_ = plan.targets.items()
    if differing := list(
        _differing(claim, target.graph, target.evaluated.package, target.evaluated.artifact)
    ):
        raise TallyError(
            f"what {claim.name} carries in {SOURCE} is evaluated to other derivations than it names:\n"
            + "\n".join(f"  {each}" for each in differing),
            hint=_ANOTHER,
        )
    folder, located = _repository(workshop, claim, target, here, say, supplies)
    located = (*found.located, *located)
    return replace(plan, targets={asked: replace(target, folder=folder)}, located=located)


def _repository(
    workshop: Workshop,
    claim: Claim,
    target: Target,
    here: Path,
    say: Callable[[str], None],
    supplies: Sequence[Supply],
) -> tuple[Path, tuple[Located, ...]]:
    """Where path sources are: here, else in what the release says they are from, which is fetched then.

    And those that a supply had.
    """
    fixed = {(each.name, each.digest): each.path for each in target.evaluated.fixed}
    wanted = [each for each in fixed_outputs(target.request) if each.urls[0].startswith("path:")]
    absent = workshop.store.invalid(fixed[each.name, each.digest] for each in wanted)
    sources = Sources(workshop.state.folder("sources"), Mirrors({}), supplies=supplies)
    lacking = [each for each in sources.missing(wanted) if fixed[each.name, each.digest] in absent]
    if supplies:
        for each in lacking:
            with suppress(TallyError):  # the repository may have it
                sources.fetch(replace(each, urls=()))
        lacking = list(sources.missing(lacking))
    if not lacking:
        return here, sources.located
    commit = lacking[0].urls[0].rpartition("@")[2]
    if _has(here, commit):
        return here, sources.located
    if claim.address is None:
        raise TallyError(
            f"{claim.name} is made from {lacking[0].name}, a folder of its maker's repository at the commit "
            f"{commit}, and the release names no address of that",
            hint="run the command in a clone of that repository",
        )
    address = claim.address.removeprefix("git+").rpartition("@")[0]
    say(f"fetching the commit {commit[:12]} of {address}, which sources of the release are from")
    folder = workshop.store.nix.scratch / "repository"
    try:
        folder.mkdir()
    except OSError as error:
        raise cannot_write(folder, error) from error
    fetch(folder, address, commit)
    git(folder, "update-ref", "HEAD", commit)
    return folder, sources.located


def _has(folder: Path, commit: str) -> bool:
    """Whether a folder is in a repository that has a commit."""
    try:
        top, _ = head(folder)
        return bool(git(top, "cat-file", "-t", commit, missing="").strip())
    except TallyError:
        return False


def _of_recipe(workshop: Workshop, claim: Claim, found: Trees) -> Plan:
    """Recipes and lock as the release has them, in a folder of ours."""
    folder = workshop.store.nix.scratch / "source"
    for name in (*claim.names(RECIPES), SOURCE_LOCK):
        _copy(claim, name, folder / name.removeprefix(SOURCE))
    file = folder / recipe_file(claim.target).removeprefix(SOURCE)
    library = _library(claim, workshop.store.nix.scratch / "library")
    pins, dependencies = _path_pins(claim), _dependencies(claim)
    system = next((each.system for each in claim.commands if each.derivation == claim.package), None)
    return recipes.planned(
        workshop, [file], pins=pins, dependencies=dependencies, library=library, system=system, trees=found
    )


def _library(claim: Claim, folder: Path) -> Path:
    """A copy of ours with the scripts that the release was built with, since another version has others.

    They run where a build does, in the sandbox, and the derivations have to be the release's.
    """
    try:
        shutil.copytree(LIBRARY, folder, ignore=lambda _, names: {n for n in names if not n.endswith(_NIX)})
    except OSError as error:
        raise cannot_write(folder, error) from error
    for name, script in claim.scripts():
        _copy(claim, name, folder / "given" / script)
    return folder


def _copy(claim: Claim, name: str, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as stream:
            for chunk in claim.chunks(name):
                stream.write(chunk)
    except OSError as error:
        raise cannot_write(target, error) from error


def _path_pins(claim: Claim) -> PathPins:
    """What the path sources were; a release that has none needs no request for this."""
    request = claim.request()
    try:
        return dict(_pins(member(request, "recipes", dict, _WHAT)))
    except (MalformedError, ValueError) as error:
        raise TallyError(f"the release {claim.name}: {error}") from error


def _dependencies(claim: Claim) -> Dependencies:
    """What the lock files in its sources said, as its request has it."""
    request = claim.request()
    try:
        recipes = member(request, "recipes", dict, _WHAT)
        return {
            name: member(recipe, "dependencies", list, _WHAT)
            for name in recipes
            if "dependencies" in (recipe := member(recipes, name, dict, _WHAT))
        }
    except MalformedError as error:
        raise TallyError(f"the release {claim.name}: {error}") from error


def _pins(of: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], PathPin]]:
    for name in of:
        sources = member(member(of, name, dict, _WHAT), "sources", dict, _WHAT)
        for key in sources:
            source = member(sources, key, dict, _WHAT)
            (url, *_) = (*member(source, "urls", list, _WHAT), "")
            if isinstance(url, str) and url.startswith("path:"):
                digest = NarHash(member(source, "sha256", str, _WHAT))
                yield (name, key), PathPin(member(source, "name", str, _WHAT), digest, url, dirty=False)


def _of_derivation(workshop: Workshop, claim: Claim) -> Plan:
    """The derivation as the release has exported it, packed by the request that it carries."""
    exported = workshop.store.nix.scratch / "source" / "derivations.export"
    _copy(claim, DERIVATIONS, exported)
    bring_exported(workshop, exported, claim.artifact, f"{DERIVATIONS} of {claim.name}")
    request = claim.packing()
    try:
        (asked,) = member(request, "targets", list, _WHAT)
        output = member(asked, "output", str, _WHAT)
        name = member(asked, "name", str, _WHAT)
        version = member(asked, "version", str, _WHAT) if asked.get("version") is not None else None
    except (MalformedError, ValueError) as error:
        raise TallyError(f"the release {claim.name}: {_WHAT} is not one for one target: {error}") from error
    derivation = workshop.store.physical(claim.package)
    wanted = derivations.Wanted(
        asked=claim.target,
        recorded=claim.target,
        derivation=claim.package,
        definition=of_derivation(claim.package.rsplit("/", 1)[-1], Sha256.of_file(derivation)),
        output=output,
        name=name,
        version=version,
        unversioned=f"{claim.name} was made again from the derivations that it carries",
    )
    return derivations.planned(workshop, [wanted], How().artifact, request, _system(request))


def _system(request: Mapping[str, Any]) -> str:
    """What a request's targets are for. Raises TallyError for one that does not say it."""
    system = request.get("system")
    if not isinstance(system, str):
        raise TallyError(f"{_WHAT} names no system")
    return system


def _differing(claim: Claim, graph: DerivationGraph, package: str, artifact: str) -> Iterator[str]:
    """In what the derivations differ from those that the release names; nothing when they are the same."""
    if (package, artifact) == (claim.package, claim.artifact):
        return
    there = {each.derivation: each for each in claim.commands}
    for what, one, other in (("package", package, claim.package), ("artifact", artifact, claim.artifact)):
        if one != other:
            yield f"the {what}'s derivation is {one}, and {other} in the release"
    by_name = {name_of(path): path for path in graph.derivations if path not in there}
    for command in claim.commands:  # in build order: the first that differs comes first
        ours = by_name.get(f"{command.name}.drv")
        if command.derivation not in graph.derivations and ours is not None:
            yield f"the first that differs is {command.name}, in {_members(command, graph, ours)}"
            return


def _members(theirs: Command, graph: DerivationGraph, path: str) -> str:
    ours = graph[path]
    found = [
        what
        for what, one, other in (
            ("its executable", ours.builder_executable, theirs.executable),
            ("its arguments", tuple(ours.args), tuple(theirs.arguments)),
            ("its system", ours.system, theirs.system),
        )
        if one != other
    ]
    keys = (ours.env.keys() | theirs.environment.keys()) - ours.outputs.keys()
    found += [key for key in sorted(keys) if ours.env.get(key) != theirs.environment.get(key)]
    return some(found, _SHOWN) if found else "what it is built from"
