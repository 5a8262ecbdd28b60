"""From a name in a registry to a recipe and a lock for what it serves, and to the served file itself."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.utils import canonicalize_name

from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import contents, write_atomically
from orchestrator.ground.state import State
from orchestrator.pinning.locking import Locking, make_lock
from orchestrator.recipe import lock as locks
from orchestrator.recipe.purls import package_url
from orchestrator.recipe.recipe import load
from orchestrator.recipe.toml import read_bytes
from orchestrator.served import sdist as sdists
from orchestrator.served import wheel as wheels
from orchestrator.served import zipfiles
from orchestrator.served.comparison import LARGEST
from orchestrator.served.named import PypiName
from orchestrator.served.pypi import fetched, release_of
from orchestrator.served.requirements import Resolver
from orchestrator.served.settings import Setting
from orchestrator.served.wheel_recipe import recipe_of, requirements_of, settings_of, tool_of
from orchestrator.sources.folder import Sources
from orchestrator.sources.mirrors import Mirrors
from orchestrator.sources.pyindex import Index

_TOOLCHAIN: Final = "toolchain.lock"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is served, and the recipe that is to make it."""

    name: str
    """As it was asked for."""
    label: str
    """NAME-VERSION: what folders about it are called."""
    purl: str
    served: Path
    recipe: Path
    settings: tuple[Setting, ...]
    notes: tuple[str, ...]
    alone: bool = False
    """Whether the packing step alone is tried: that says nothing of a source."""
    unrun: tuple[str, ...] = ()
    """What of the source's own way was not done, so that a difference decides nothing: a line each."""


def prepare(
    named: PypiName,
    index: Index,
    sources: Sources,
    mirrors: Mirrors,
    state: State,
    out: Path | None,
    say: Say,
) -> Prepared:
    """Ask the index, resolve what the build needs, write recipe and lock. Raises TallyError."""
    say(f"{named}: asking the index what it serves")
    release = release_of(named, index)
    served, source = fetched(release.wheel, sources), fetched(release.sdist, sources)
    sdist = sdists.read(source)
    try:
        shown = wheels.show(zipfiles.read(contents(served, LARGEST)), sdist.times, sdist.shared)
    except (OSError, zipfiles.OddZipError) as error:
        raise TallyError(f"{release.wheel.name}, as it is served, cannot be read: {error}") from error
    tool, remark = tool_of(shown.generator, index)
    if tool is not None and canonicalize_name(tool.name) == named.project:
        tool, remark = None, "it is its own backend, which comes from its sdist, and not from what is served"
    resolver = Resolver(index, release.wheel.uploaded, lambda file: fetched(file, sources))
    pins = resolver.resolve(requirements_of(sdist, shown), tool)
    digests = [Sha256.of_file(path).hex for path in (source, *(fetched(p.file, sources) for p in pins))]
    text = recipe_of(release, shown, sdist, digests, pins)
    label = f"{named.project}-{release.wheel.version}"
    folder = (out or state.folder("served", "pypi")) / label
    notes = (*release.notes, *([] if remark is None else [remark]))
    if shown.on_windows:
        notes = (*notes, "the wheel was written on Windows, which makes other line ends and modes than here")
    settings = settings_of(release, shown, sdist, pins)
    recipe = folder / f"{named.project}.toml"
    if (by_hand := put(recipe, text, keep=out is not None)) is not None:
        settings = (by_hand,)
    refuse_itself(recipe, served)
    lock_beside(recipe, sources, mirrors, state, say)
    purl = package_url("pypi", named.project, str(release.wheel.version))
    return Prepared(str(named), label, purl, served, recipe, settings, notes)


def put(recipe: Path, text: bytes, *, keep: bool) -> Setting | None:
    """Put a recipe in its place. With `keep`, another one that is there stays, and is told as a setting.

    Raises TallyError.
    """
    if keep and os.path.lexists(recipe):
        if read_bytes(recipe, "a recipe") == text:
            return None
        return Setting("recipe", f"{recipe.name}, mended by hand", "it was there already", True)
    write_atomically(recipe, text)
    return None


def refuse_itself(recipe: Path, served: Path) -> None:
    """Raises TallyError for a recipe that is made from the served file: it would prove nothing."""
    digest = Sha256.of_file(served).hex
    for name, source in load(recipe).named_sources.items():
        if getattr(source, "sha256", None) == digest:
            raise TallyError(
                f"the source {name} of {recipe} is the served file itself, which proves nothing",
                hint="make it of its source",
            )


def forget_toolchain(state: State) -> None:
    """Have the toolchain resolved anew by the next recipe."""
    (state.folder("served") / _TOOLCHAIN).unlink(missing_ok=True)


def lock_beside(recipe: Path, sources: Sources, mirrors: Mirrors, state: State, say: Say) -> None:
    """An ordinary lock beside a recipe. What its toolchain was resolved to before is used again."""
    held = state.folder("served") / _TOOLCHAIN
    known = locks.read(held) if held.exists() else locks.Lock()
    work = Locking(mirrors, sources, recipe.with_name("flake.lock"), lambda _: None)
    one = load(recipe)
    lock, _ = make_lock({one.name: one}, known, (), work)
    locks.write(recipe.with_name(locks.FILE_NAME), lock)
    toolchain = lock.model_copy(update={"source": {}})
    if toolchain != known:
        locks.write(held, toolchain)
