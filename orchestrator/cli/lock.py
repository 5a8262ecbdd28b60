"""`tally lock`: pin by digest everything that recipes take from outside."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.pinning.changes import Changes
    from orchestrator.recipe.lock import Lock
    from orchestrator.recipe.recipe import Recipe

_USUAL = "recipes"
"""What the folder with a project's recipes is called."""


def lock(
    recipes: Annotated[
        Path | None,
        typer.Argument(
            metavar="FOLDER",
            help="The folder with the recipes, or the one that their recipes/ is in; default: here.",
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; say what drifted and exit 1 if it did.")
    ] = False,
    update: Annotated[
        list[str] | None,
        typer.Option("--update", metavar="NAME", help="Resolve this recipe again; may be repeated."),
    ] = None,
    update_all: Annotated[bool, typer.Option("--update-all", help="Resolve every recipe again.")] = False,
    since: Annotated[
        Path | None,
        typer.Option(
            "--since", metavar="LOCK", help="Change nothing; say what changed since this earlier lock."
        ),
    ] = None,
    security_tracker: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Debian's security tracker as JSON: say which vulnerabilities the changes close and open.",
        ),
    ] = None,
    vm: Annotated[
        bool, typer.Option("--vm", help="Pin the packages of the vm builders' machine, too, or anew.")
    ] = False,
    system: Annotated[
        str | None,
        typer.Option(
            "--system", metavar="SYSTEM", help="With --vm: of another machine, as aarch64-linux, emulated."
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> int:
    """Resolve toolchain packages and sources to digests, in tally.lock. What still fits stays as it is."""
    from orchestrator.ground.errors import TallyError
    from orchestrator.recipe.graph import closure, load_folder

    _refuse_contradictions(
        {"--check": check, "--since": since},
        {"--update": update, "--update-all": update_all, "--vm": vm},
    )
    if check and security_tracker:
        raise TallyError(
            "--security-tracker tells of changes, and --check makes none", hint="give it to --since"
        )
    if system is not None and not vm:
        raise TallyError(
            "--system says which machine --vm pins", hint="what recipes are locked for they say in `systems`"
        )
    recipes = _of_project(recipes) if recipes else _usual()
    found = load_folder(recipes)
    if not found:
        raise TallyError(f"there is no recipe in {recipes}", hint="a recipe is a file called NAME.toml")
    closure(sorted(found), found)
    file = _lock_file(recipes)
    if check:
        return _check(found, file, as_json=json)
    if since is not None:
        return _since(found, file, since, security_tracker, as_json=json)
    updated = list(found) if update_all else update or []
    return _lock(found, file, updated, vm=vm, system=system, tracker=security_tracker, as_json=json)


def _refuse_contradictions(reading: Mapping[str, object], writing: Mapping[str, object]) -> None:
    """Raises TallyError for two options of which one changes nothing, and the other something else."""
    from orchestrator.ground.errors import TallyError

    readers = [name for name, given in reading.items() if given]
    writers = [name for name, given in writing.items() if given]
    if readers and (writers or len(readers) > 1):
        raise TallyError(
            f"{readers[0]} changes nothing, so it does not go with {(writers or readers[1:])[0]}",
            hint="give one of the two",
        )


def _check(recipes: dict[str, Recipe], file: Path, *, as_json: bool) -> int:
    from orchestrator.builders.configuration import load
    from orchestrator.cli.text import harmless, print_json, say
    from orchestrator.ground.errors import ExitCode
    from orchestrator.pinning.drift import drift, refuse_unknown_mirrors
    from orchestrator.recipe.lock import read
    from orchestrator.sources.mirrors import Mirrors

    configured = load(Path.cwd())
    mirrors = Mirrors(configured.mirrors)
    refuse_unknown_mirrors(recipes, mirrors)
    known = read(file)
    found = list(drift(recipes, known, file.with_name("flake.lock"), configured.toolchain.debian))
    if not found and any(each.dependencies for each in recipes.values()):  # else the lock is written again
        from orchestrator.ground.state import State
        from orchestrator.pinning.followed import changed
        from orchestrator.pinning.lockfiles import named_by
        from orchestrator.sources.folder import Sources

        sources = Sources(State.of_environment().folder("sources"), mirrors)
        folder = file.absolute().parent
        found += changed(named_by(recipes, known, folder, sources), recipes, known, folder)
    if as_json:
        print_json({"lock": str(file), "drift": found})
    else:
        for sentence in found:
            print(harmless(sentence))
        say(f"{file} " + ("does not fit its recipes; run `tally lock`" if found else "fits its recipes"))
    return ExitCode.NO if found else ExitCode.YES


def _since(recipes: dict[str, Recipe], file: Path, old: Path, tracker: Path | None, *, as_json: bool) -> int:
    from orchestrator.cli.text import print_json, say
    from orchestrator.ground.errors import ExitCode
    from orchestrator.recipe.lock import read

    found = _changes(read(old), read(file), recipes, tracker)
    if as_json:
        print_json({"lock": str(file), "since": str(old), "changes": found.document()})
    else:
        _print(found)
        if not list(found.lines()):
            say(f"{file} pins what {old} pins")
    return ExitCode.YES


def _changes(old: Lock, new: Lock, recipes: dict[str, Recipe], tracker: Path | None) -> Changes:
    from orchestrator.ground.files import read_file
    from orchestrator.pinning.changes import changes

    found = changes(old, new, recipes)
    if tracker is None:
        return found
    from orchestrator.pinning import tracker as trackers

    data = read_file(tracker, "a dump of the security tracker", trackers.LARGEST, trackers.EXPECTED)
    known = trackers.read(data, str(tracker), trackers.sources_of(found))
    return trackers.with_vulnerabilities(found, known)


def _print(found: Changes) -> None:
    from orchestrator.cli.text import harmless

    for line in found.lines():
        print(harmless(line))


def _lock(
    recipes: dict[str, Recipe],
    file: Path,
    update: list[str],
    *,
    vm: bool,
    system: str | None,
    tracker: Path | None,
    as_json: bool,
) -> int:
    from orchestrator.builders.configuration import load
    from orchestrator.builders.host import nix_system
    from orchestrator.cli.text import harmless, print_json, say
    from orchestrator.ground.errors import ExitCode
    from orchestrator.ground.files import contents
    from orchestrator.ground.state import State
    from orchestrator.ground.wording import counted
    from orchestrator.pinning.locking import Locking, make_lock
    from orchestrator.pinning.machine import machine_system
    from orchestrator.recipe import lock as locks
    from orchestrator.recipe.placeholders import unfilled
    from orchestrator.recipe.toml import LIMIT
    from orchestrator.sources.folder import Sources
    from orchestrator.sources.mirrors import Mirrors

    known = locks.read(file) if file.exists() else locks.Lock()
    configured = load(Path.cwd())
    mirrors = Mirrors(configured.mirrors)
    sources = Sources(State.of_environment().folder("sources"), mirrors)
    work = Locking(mirrors, sources, file.with_name("flake.lock"), say, file.absolute().parent)
    machines = [machine_system(system or nix_system())] if vm else []
    if machines and known.machine_for(nix_system()) is None:
        machines.append(machine_system(nix_system()))  # its programs pack the other's image
    made, files = make_lock(
        recipes, known, update, work, new_machines=machines, usual=configured.toolchain.debian
    )
    changed = not file.exists() or locks.text_of(made).encode() != contents(file, LIMIT)
    told = _changes(known, made, recipes, tracker)
    fresh = not file.exists()
    followed: list[str] = []
    if known.followed and known.followed != made.followed:
        from orchestrator.pinning.followed import changed as changed_files

        before = made.model_copy(update={"followed": known.followed})
        followed = list(changed_files(files, recipes, before, work.folder))
    if changed:
        locks.write(file, made)
    if as_json:
        document = {"lock": str(file), "changed": changed, **_counts(made), "changes": told.document()}
        print_json({**document, "lockFiles": followed})
    else:
        if not fresh:
            _print(told)
        for line in followed:
            print(harmless(line))
        for name, recipe in sorted(recipes.items()):
            if missing := unfilled(recipe):
                say(f"note: {name}: fill in {', '.join(missing)}; releases say what is there now")
        counts = _counts(made)
        say(
            f"{file}: {counted(counts['packages'], 'package')} in {counted(counts['sets'], 'set')}, "
            f"{counted(counts['sources'], 'source')}" + ("" if changed else "; nothing changed")
        )
    return ExitCode.YES


def _counts(lock: Lock) -> dict[str, int]:
    return {
        "packages": len(lock.package),
        "sets": len(lock.set),
        "machines": len(lock.machine),
        "sources": sum(len(pins) for pins in lock.source.values()),
    }


def _lock_file(recipes: Path) -> Path:
    """Where a folder's lock is: beside a folder called `recipes`, else in it."""
    from orchestrator.recipe.lock import FILE_NAME

    inside = recipes / FILE_NAME
    if inside.exists() or recipes.absolute().name != _USUAL:
        return inside
    return (recipes.parent if recipes.name == _USUAL else recipes.absolute().parent) / FILE_NAME


def _of_project(folder: Path) -> Path:
    """The folder with recipes, where the one that a project is in is named."""
    inside = folder / _USUAL
    return inside if os.path.isdir(inside) else folder  # noqa: PTH112  no also of what cannot be looked at


def _usual() -> Path:
    """`recipes/`; inside it, that folder itself."""
    usual = Path(_USUAL)
    here = Path.cwd()
    return here if here.name == usual.name and not usual.exists() else usual
