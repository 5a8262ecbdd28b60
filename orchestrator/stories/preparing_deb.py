"""From a package in Debian's archive to a recipe and a lock for it, and to the served file itself."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from orchestrator.ground.files import contents, write_atomically
from orchestrator.ground.state import State
from orchestrator.recipe import debian
from orchestrator.recipe import lock as locks
from orchestrator.recipe.debian import Apt
from orchestrator.recipe.locking import Locking, make_lock
from orchestrator.recipe.mirrors import Mirrors
from orchestrator.recipe.purls import package_url
from orchestrator.recipe.recipe import load
from orchestrator.recipe.request import package_output
from orchestrator.recipe.sources import Sources
from orchestrator.recipe.toml import LIMIT
from orchestrator.recipe.wanted import wanted_from
from orchestrator.served import deb_recipe
from orchestrator.served.debian import Served, Surroundings, served, surroundings
from orchestrator.served.named import DebName
from orchestrator.stories.preparing import Prepared

SYSTEM: Final = "x86_64-linux"
_TOOLCHAIN: Final = "toolchain.lock"

Say = Callable[[str], None]


class Archive:
    """Debian's signed index, read once a run and when first needed."""

    def __init__(self, mirrors: Mirrors, say: Say) -> None:
        self._mirrors, self._say = mirrors, say
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
            self._say(f"reading the indexes of Debian {debian.SUITE}")
            addresses, architecture = self._mirrors.bases("debian"), locks.ARCHITECTURES[SYSTEM]
            self._apt = self._stack.enter_context(debian.opened(addresses, architecture, sources=True))
        return self._apt


def prepare(
    named: DebName,
    archive: Archive,
    sources: Sources,
    mirrors: Mirrors,
    state: State,
    out: Path | None,
    say: Say,
) -> Prepared:
    """Ask the archive, resolve what the build needs, write recipe and lock. Raises TallyError."""
    one = served(named, archive.apt)
    place = sources.fetch(wanted_from(package_output(one.binary)))
    say(f"{named}: resolving what {one.source} is built with")
    around = surroundings(one, archive.apt)
    options: tuple[str, ...] = ()
    text = deb_recipe.recipe_of(one, around.names, options)
    settings = deb_recipe.settings_of(
        one, options, len(around.packages), f"resolved from Debian {debian.SUITE} as it is now"
    )
    notes: tuple[str, ...] = ()
    label = f"{named.package}-{named.version}"
    folder = (out or state.folder("served", "deb")) / label
    folder.mkdir(parents=True, exist_ok=True)
    recipe = folder / f"{named.package}.toml"
    if out is not None and recipe.exists() and contents(recipe, LIMIT) != text:
        notes = (*notes, f"the recipe is the one in {recipe}, not what this would write")
        settings = ()
    else:
        write_atomically(recipe, text)
    _lock(recipe, one, around, sources, mirrors, state, say)
    arch = one.binary.architecture
    purl = package_url("deb", named.package, named.version, namespace="debian", arch=arch)
    return Prepared(str(named), label, purl, place, recipe, settings, notes)


def _lock(
    recipe: Path,
    one: Served,
    around: Surroundings,
    sources: Sources,
    mirrors: Mirrors,
    state: State,
    say: Say,
) -> None:
    """An ordinary lock beside the recipe, its set of packages that which was resolved here."""
    held = state.folder("served") / _TOOLCHAIN
    known = locks.read(held) if held.exists() else locks.Lock()
    made = load(recipe)
    chosen = locks.DebianSet(
        system=SYSTEM,
        request=tuple(sorted(made.toolchain.packages)),
        base=debian.BASE,
        packages=tuple(each.file for each in around.packages),
    )
    busybox = tuple(known.packages[each.package] for each in known.busybox)
    packages = {each.file: each for each in (*around.packages, *busybox)}
    pinned = locks.Lock(
        package=tuple(packages[file] for file in sorted(packages)), set=(chosen,), busybox=known.busybox
    )
    work = Locking(mirrors, sources, recipe.with_name("flake.lock"), say)
    lock = make_lock({made.name: made}, pinned, (), work)
    locks.write(recipe.with_name(locks.FILE_NAME), lock)
