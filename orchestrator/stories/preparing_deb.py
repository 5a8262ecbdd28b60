"""From a package in Debian's archive to a recipe and a lock for it, and to the served file itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from orchestrator.ground.addresses import without_credentials
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import contents, read_file, write_atomically
from orchestrator.ground.state import State
from orchestrator.pinning import debian
from orchestrator.pinning.debian import Apt
from orchestrator.pinning.licensing import with_licences
from orchestrator.pinning.locking import BUSYBOX, Locking, busybox_of, make_lock
from orchestrator.pinning.request import package_output
from orchestrator.recipe import lock as locks
from orchestrator.recipe.lock import DebianPackage
from orchestrator.recipe.purls import package_url
from orchestrator.recipe.recipe import load
from orchestrator.recipe.toml import LIMIT
from orchestrator.recipe.wanted import wanted_from
from orchestrator.served import buildinfo as buildinfos
from orchestrator.served import deb_recipe
from orchestrator.served.arfiles import OddPackageError
from orchestrator.served.buildinfo import Buildinfo
from orchestrator.served.comparison import LARGEST
from orchestrator.served.deb_recipe import Way
from orchestrator.served.deb_shown import entry_of, options_of
from orchestrator.served.debian import Served, served, surroundings, surroundings_of
from orchestrator.served.named import DebName
from orchestrator.sources.folder import Sources
from orchestrator.sources.mirrors import Mirrors
from orchestrator.stories.preparing import Prepared, Say

SYSTEM: Final = "x86_64-linux"
_PACKAGES: Final = "debian-packages.lock"
"""What is known of packages that were resolved before: their licences, and the busybox."""


class Archive:
    """Debian's signed index, read once a run and when first needed."""

    def __init__(self, mirrors: Mirrors, say: Say) -> None:
        self._mirrors, self.say = mirrors, say
        self._stack = ExitStack()
        self._apt: Apt | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def apt(self) -> Apt:
        """Raises TallyError where no address gives a signed index."""
        if self._apt is None:
            self.say(f"reading the indexes of Debian {debian.SUITE}")
            addresses, architecture = self._mirrors.bases("debian"), locks.ARCHITECTURES[SYSTEM]
            self._apt = self._stack.enter_context(debian.opened(addresses, architecture, sources=True))
        return self._apt

    def every(self) -> Iterator[Apt]:
        """The usual index, then that of every address: a mirror may be a dated snapshot."""
        yield self.apt
        addresses = self._mirrors.bases("debian")
        for address in addresses if len(addresses) > 1 else ():
            self.say(f"reading the index at {without_credentials(address)}")
            with debian.opened([address], self.apt.architecture, expired=True) as apt:
                yield apt


def prepare(
    named: DebName,
    archive: Archive,
    sources: Sources,
    mirrors: Mirrors,
    state: State,
    out: Path | None,
    buildinfo: Path | None,
    say: Say,
) -> Prepared:
    """Ask the archive, resolve what the build needs, write recipe and lock. Raises TallyError."""
    one = served(named, archive.apt)
    place = sources.fetch(wanted_from(package_output(one.binary)))
    way, info = Way(_options(place, named), "the published package's changelog is whole", True), None
    if one.again:
        entry = _entry(place, one)
        way = replace(way, entry=entry)
    if buildinfo is not None:
        info = _read(buildinfo, archive.apt.architecture)
        way = Way(info.options, f"what {buildinfo.name} says", False, info.path, way.entry)
    label = f"{named.package}-{named.version}"
    folder = (out or state.folder("served", "deb")) / label
    folder.mkdir(parents=True, exist_ok=True)
    recipe, lock = folder / f"{named.package}.toml", folder / locks.FILE_NAME
    notes: tuple[str, ...] = ()
    kept = (
        locks.read(lock) if out is not None and info is None and recipe.exists() and lock.exists() else None
    )
    if kept is None:
        say(f"{named}: resolving what {one.source} is built with")
        whence = f"Debian {debian.SUITE} as it is now"
        if info is None:
            around = surroundings(one, archive.apt)
        else:
            around = surroundings_of(info, one, archive.every(), str(buildinfo))
            whence = f"what {buildinfo} says was installed"
        names, found = around.names, around.packages
    else:
        names, found, whence = load(recipe).toolchain.packages, (), f"the lock in {folder}"
    text = deb_recipe.recipe_of(one, names, way)
    mended = out is not None and recipe.exists() and contents(recipe, LIMIT) != text
    if mended:
        notes = (*notes, f"the recipe is the one in {recipe}, not what this would write")
    else:
        write_atomically(recipe, text)
    pinned = _lock(recipe, kept or _pinned(names, found, archive, sources, state), archive, mirrors, sources)
    chosen = pinned.set_for(load(recipe).toolchain.packages, SYSTEM)
    count = 0 if chosen is None else len(chosen.packages)
    settings = () if mended else deb_recipe.settings_of(one, way, count, whence)
    arch = one.binary.architecture
    purl = package_url("deb", named.package, named.version, namespace="debian", arch=arch)
    return Prepared(str(named), label, purl, place, recipe, settings, notes)


def _read(file: Path, architecture: str) -> Buildinfo:
    text = read_file(file, "the .buildinfo file ", LIMIT, "it is what dpkg-genbuildinfo wrote")
    try:
        return buildinfos.parse(text.decode(), str(file), architecture)
    except UnicodeDecodeError as error:
        raise TallyError(f"{file} is no .buildinfo file: it is no text") from error


def _options(place: Path, named: DebName) -> tuple[str, ...]:
    try:
        return options_of(contents(place, LARGEST), named.package)
    except (OSError, OddPackageError) as error:
        raise TallyError(f"{place.name}, as it is served, cannot be read: {error}") from error


def _entry(place: Path, one: Served) -> str:
    """Raises TallyError where the package does not show it: its date decides what the build has for one."""
    try:
        architecture = one.binary.architecture
        found = entry_of(contents(place, LARGEST), one.named.package, architecture, one.named.version)
    except (OSError, OddPackageError) as error:
        raise TallyError(f"{place.name}, as it is served, cannot be read: {error}") from error
    if found is None:
        raise TallyError(
            f"{one.named} is the source {one.source_version} built once more, and the package does not have "
            "the changelog's entry that this was done under",
            hint="nothing tells its date, by which such a build goes: a package that its source names can be "
            "made again",
        )
    return found


def _pinned(
    names: Sequence[str], found: Sequence[DebianPackage], archive: Archive, sources: Sources, state: State
) -> locks.Lock:
    """What was resolved, as a lock without sources; licences that were read before are in the state."""
    held = state.folder("served") / _PACKAGES
    known = locks.read(held) if held.exists() else locks.Lock()
    sources.fetch_all(wanted_from(package_output(each)) for each in found)
    seen = dict(known.packages)
    same = {each.file for each in found if each.file in seen and seen[each.file].sha256 == each.sha256}
    packages = [seen[each.file] if each.file in same else each for each in found]
    seen.update({each.file: each for each in with_licences(packages, same, sources)})
    busybox = known.busybox_for(SYSTEM)
    if busybox is None:
        package = archive.apt.candidate(BUSYBOX)
        seen.setdefault(package.file, package)
        busybox = busybox_of(SYSTEM, package, sources)
    every = tuple(seen[file] for file in sorted(seen))
    locks.write(held, locks.Lock(package=every, busybox=(busybox,)))
    chosen = locks.DebianSet(
        system=SYSTEM,
        request=tuple(sorted(names)),
        base=debian.BASE,
        packages=tuple(each.file for each in found),
    )
    return locks.Lock(package=every, set=(chosen,), busybox=(busybox,))


def _lock(
    recipe: Path, known: locks.Lock, archive: Archive, mirrors: Mirrors, sources: Sources
) -> locks.Lock:
    """An ordinary lock beside the recipe: what is pinned and fits stays, what was mended is resolved."""
    made = load(recipe)
    work = Locking(mirrors, sources, recipe.with_name("flake.lock"), archive.say)
    lock, _ = make_lock({made.name: made}, known, (), work)
    locks.write(recipe.with_name(locks.FILE_NAME), lock)
    return lock
