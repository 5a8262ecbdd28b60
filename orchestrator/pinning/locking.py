"""The story of `tally lock`: from recipes to a lock. Nothing else ever changes `tally.lock`.

What is pinned and still fits its recipe stays as it is; only what is new, changed or asked for is resolved.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.nar import nar_hash
from orchestrator.ground.wording import some
from orchestrator.pinning import debian
from orchestrator.pinning.drift import (
    SetKey,
    needed_containers,
    needed_sets,
    nixpkgs_node,
    refuse_unknown_mirrors,
)
from orchestrator.pinning.followed import followed
from orchestrator.pinning.licensing import with_licences
from orchestrator.pinning.lockfiles import LockFile, named_by
from orchestrator.pinning.machine import SUITE as MACHINE
from orchestrator.pinning.machine import machine_packages
from orchestrator.pinning.request import (
    OutsideSource,
    expected_pin,
    misfit,
    npm_file,
    outside_source,
    package_output,
    tool_files,
)
from orchestrator.pinning.telling import told_of
from orchestrator.recipe.imagename import layer_address
from orchestrator.recipe.lock import (
    ARCHITECTURES,
    Busybox,
    Container,
    DebianPackage,
    DebianSet,
    Lock,
    SourcePin,
)
from orchestrator.recipe.part import System
from orchestrator.recipe.recipe import GitSource, NpmSource, PathSource, PypiSource, Recipe
from orchestrator.recipe.suites import Suite
from orchestrator.recipe.wanted import Wanted, wanted_from
from orchestrator.repositories.git import head
from orchestrator.sources.containers import Containers
from orchestrator.sources.folder import Sources, lay_out_busybox
from orchestrator.sources.mirrors import Mirrors
from orchestrator.sources.unobtained import LeftTheArchive

BUSYBOX = "busybox-static"


@dataclass(frozen=True, slots=True)
class Locking:
    """What locking works with."""

    mirrors: Mirrors
    sources: Sources
    flake_lock: Path
    """Where `flake.lock` is, or would be."""
    say: Callable[[str], None] = lambda _: None
    """Told what is being done, a line at a time."""
    folder: Path = Path()
    """A folder of the repository that path sources are in."""


def make_lock(
    recipes: Mapping[str, Recipe],
    known: Lock,
    update: Collection[str],
    work: Locking,
    *,
    new_machines: Collection[System] = (),
    usual: Suite | None = None,
) -> tuple[Lock, Sequence[LockFile]]:
    """The lock for these recipes, and their projects' own lock files as they were read for it.

    `update` names recipes whose pins are resolved again though they fit.

    `usual` is the suite of recipes that name none; None: the one that the lock has already.

    Virtual machines that are pinned stay so; `new_machines` are the systems for which one is pinned, or anew.
    Every source that is newly pinned is fetched, so that a wrong digest is met now and not at a build.
    Raises TallyError when something cannot be resolved or fetched.
    """
    for name in update:
        if name not in recipes:
            nearest = get_close_matches(name, list(recipes), n=1)
            raise TallyError(
                f"there is no recipe {name!r} to update",
                hint=f"did you mean {nearest[0]!r}?"
                if nearest
                else f"the recipes are {some(sorted(recipes))}",
            )
    refuse_unknown_mirrors(recipes, work.mirrors)
    if any(
        isinstance(recipe.named_sources.get(recipe.source_of(part) or ""), PathSource)
        for recipe in recipes.values()
        for part in recipe.dependencies
    ):
        head(work.folder)  # before anything is fetched: such a lock file is read out of a commit
    nixpkgs = nixpkgs_node(recipes, work.flake_lock)
    pins = {name: _pins(recipe, known, name in update, work) for name, recipe in sorted(recipes.items())}
    suite = usual or known.debian
    _fetch_tools(recipes, work)
    sets, machines, busyboxes, packages = _debian(recipes, known, update, work, new_machines, suite)
    made = Lock(
        container=_containers(recipes, known, update, work),
        suite=suite.name,
        **suite.pins,
        package=with_licences(packages, known.packages, work.sources),
        set=sets,
        busybox=busyboxes,
        machine=machines,
        source=pins,
        told=known.told,
        nixpkgs=nixpkgs,
    )
    files = named_by(recipes, made, work.folder, work.sources)
    told = told_of(files, made, update, work.mirrors, work.sources, work.say)
    whole = made.model_copy(update={"told": told})
    return whole.model_copy(update={"followed": followed(files, whole)}), files


def _debian(
    recipes: Mapping[str, Recipe],
    known: Lock,
    update: Collection[str],
    work: Locking,
    new_machines: Collection[System],
    usual: Suite,
) -> tuple[tuple[DebianSet, ...], tuple[DebianSet, ...], tuple[Busybox, ...], tuple[DebianPackage, ...]]:
    """Every set that recipes need, every machine, each system's busybox, and the packages of all of them."""
    needed = needed_sets(recipes, usual)
    sets: list[DebianSet] = []
    machines: list[DebianSet] = []
    busyboxes: list[Busybox] = []
    packages = dict(known.packages)
    with ExitStack() as stack:
        opened: dict[tuple[str, Suite], debian.Apt] = {}

        def apt(system: str, suite: Suite) -> debian.Apt:
            if (system, suite) not in opened:
                work.say(f"reading the index of Debian {suite} for {system}")
                main, security = archives(suite, work.mirrors)
                opened[system, suite] = stack.enter_context(
                    debian.opened(
                        main,
                        ARCHITECTURES[system],
                        suite.name,
                        expired=bool(suite.snapshot),  # it was valid then, which is looked at
                        moment=suite.moment,
                        updates=suite.updates,
                        security=security,
                    )
                )
            return opened[system, suite]

        def resolved(key: SetKey, users: str) -> DebianSet:
            system, suite, request = key
            work.say(f"resolving {', '.join(request) or 'the base'} for {users} on {system}")
            found = apt(system, suite).resolve([*debian.BASE, *request])
            if suite.snapshot:
                found = tuple(each.model_copy(update={"snapshot": suite.snapshot}) for each in found)
            packages.update({package.file: _agreeing(package, packages) for package in found})
            files = tuple(package.file for package in found)
            made = DebianSet(system=system, request=request, base=debian.BASE, packages=files)
            return _of(made, suite, usual)

        for key, users in needed.items():
            held = _kept(known, key, users, update)
            sets.append(_of(held, key[1], usual) if held else resolved(key, ", ".join(users)))
        for system in dict.fromkeys((*(each.system for each in known.machine), *new_machines)):
            pinned, wanted = known.machine_for(system), machine_packages(system)
            fits = pinned is not None and (pinned.request, pinned.base) == (wanted, debian.BASE)
            if pinned is not None and fits and system not in new_machines:
                machines.append(_of(pinned, known.suite_of(pinned), usual))
            else:
                machines.append(resolved((system, MACHINE, wanted), "the virtual machine"))
        layered = {system for _, system in needed_containers(recipes)}
        for system in sorted({each.system for each in (*sets, *machines)} | layered):
            busybox = known.busybox_for(system)
            if busybox is None or (update and _left(busybox, known, work)):
                there = {each: None for one, each, _ in needed if one == system}
                of = usual if usual in there else next(iter(there), MACHINE)
                package = (
                    apt(system, of).candidate(BUSYBOX).model_copy(update={"snapshot": of.snapshot or None})
                )
                packages[package.file] = _agreeing(package, packages)
                busybox = busybox_of(system, package, work.sources)
            busyboxes.append(busybox)
    used = Lock(set=tuple(sets), machine=tuple(machines), busybox=tuple(busyboxes)).used
    kept = tuple(packages[file] for file in sorted(used))
    return tuple(sets), tuple(machines), tuple(busyboxes), kept


def _containers(
    recipes: Mapping[str, Recipe], known: Lock, update: Collection[str], work: Locking
) -> tuple[Container, ...]:
    """What images are made of; their layers are fetched."""
    found = []
    for (image, system), users in needed_containers(recipes).items():
        held = known.container_for(image, system)
        if held is None or any(user in update for user in users):
            work.say(f"reading what {image} is made of on {system}")
            held = Containers(work.mirrors, work.sources.downloader).container(image, system)
            for each in held.layer:
                work.say(f"fetching a layer of {each.size >> 20} MiB for {', '.join(users)}")
                name = f"layer-{each.sha256[:12]}.{each.kind}"
                work.sources.fetch(Wanted(name, Sha256(each.sha256), (layer_address(image, each.sha256),)))
        found.append(held)
    return tuple(found)


def _fetch_tools(recipes: Mapping[str, Recipe], work: Locking) -> None:
    """Archives of toolchains, so that a wrong digest is met now. Raises TallyError for what cannot be had."""
    for name, recipe in sorted(recipes.items()):
        files = {each["to"]: each for system in recipe.systems for each in tool_files(recipe, system)}
        for to, file in files.items():
            if work.sources.missing([wanted_from(file)]):
                work.say(f"fetching what is unpacked to {to} for {name}")
            work.sources.fetch(wanted_from(file))


def _kept(known: Lock, key: SetKey, users: Iterable[str], update: Collection[str]) -> DebianSet | None:
    system, suite, request = key
    held = known.set_for(request, system, suite)
    if held is None or held.base != debian.BASE or any(user in update for user in users):
        return None
    return held


def _of(found: DebianSet, suite: Suite, usual: Suite) -> DebianSet:
    """A set as the lock has it: it names a suite that is not the usual one."""
    own = dict.fromkeys(("suite", "security", "updates", "snapshot"))
    return found.model_copy(update=own if suite == usual else {**own, "suite": suite.name, **suite.pins})


def _agreeing(package: DebianPackage, known: Mapping[str, DebianPackage]) -> DebianPackage:
    """The package as the lock has it already. Raises TallyError when the archive now says something else."""
    held = known.get(package.file)
    if held is None:
        return package
    if held.sha256 != package.sha256:
        raise TallyError(
            f"{package.file} is locked with sha256 {held.sha256}; Debian's index now says {package.sha256}",
            hint="a file of a frozen release never changes: find out why before you lock again",
        )
    return (
        held
        if held.snapshot or not package.snapshot
        else held.model_copy(update={"snapshot": package.snapshot})
    )


def busybox_of(system: System, package: DebianPackage, sources: Sources) -> Busybox:
    """The pin of the busybox in a package, which is fetched."""
    deb = sources.fetch(wanted_from(package_output(package)))
    with tempfile.TemporaryDirectory(prefix="tallystick-busybox-") as name:
        lay_out_busybox(deb, Path(name))
        return Busybox(system=system, package=package.file, nar_sha256=nar_hash(Path(name)).hex)


def _left(busybox: Busybox, known: Lock, work: Locking) -> bool:
    """Whether the archive has no longer what is pinned, so that `--update` must take the new one."""
    try:
        work.sources.fetch(wanted_from(package_output(known.packages[busybox.package])))
    except LeftTheArchive:
        return True
    return False


def _pins(recipe: Recipe, known: Lock, again: bool, work: Locking) -> dict[str, SourcePin]:
    pins = {}
    held = known.source.get(recipe.name, {})
    for name, source in sorted(recipe.named_sources.items()):
        if isinstance(source, PathSource):
            continue
        pin = held.get(name)
        if pin is None or again or misfit(source, pin):
            kind, digest, rev = expected_pin(source)
            pin = SourcePin(
                kind=kind,
                sha256=digest if kind != "git" else None,
                nar_sha256=digest if kind == "git" else None,
                rev=rev,
                file=_file_of(source, work),
            )
            wanted = wanted_from(outside_source(source, pin))
            what = f"source {name} of {recipe.name}"
            work.say(f"fetching {what}" if work.sources.missing([wanted]) else f"had {what} already")
            place = work.sources.fetch(wanted)
            if isinstance(source, GitSource):
                _look_through(place, source, what, work)
        pins[name] = pin
    return pins


def _look_through(tree: Path, source: GitSource, what: str, work: Locking) -> None:
    """Say which submodules are empty folders. Raises TallyError when there are pointers in files' places."""
    from orchestrator.repositories import gittree, lfs

    if source.lfs is None:
        lfs.refuse_pointers(tree, what)
    if not source.submodules and (left := gittree.empty_folders(tree)):
        work.say(
            f"{what}: its submodules are empty folders: {', '.join(left)}; submodules = true brings them in"
        )


def _file_of(source: OutsideSource, work: Locking) -> str | None:
    """What a registry calls the file, in which the version is told; None: it is of no registry."""
    from orchestrator.sources.registries import pypi_file

    if isinstance(source, PypiSource):
        return pypi_file(source, work.mirrors, work.sources.downloader)
    return npm_file(source) if isinstance(source, NpmSource) else None


def archives(suite: Suite, mirrors: Mirrors) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Addresses of the archive that a suite is in, and of the one with its security suite, if it has that.

    Raises TallyError when there are none.
    """
    if not suite.snapshot:
        return mirrors.bases("debian"), mirrors.bases("debian-security") if suite.security else ()
    try:
        bases = mirrors.bases("debian-snapshot")
    except TallyError as error:
        raise TallyError(
            f"Debian {suite} is in snapshots of the archive, and nobody has said where these are",
            hint='add debian-snapshot = ["https://HOST/archive/"] to [mirrors] in tally.toml, HOST as '
            "`debsnap` of the package devscripts uses it",
        ) from error

    def of(archive: str) -> tuple[str, ...]:
        return tuple(f"{base}{archive}/{suite.snapshot}/" for base in bases)

    return of("debian"), of("debian-security") if suite.security else ()
