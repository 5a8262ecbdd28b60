"""`tally init`: the files that a first release of a project needs. Nothing is overwritten."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from orchestrator.builders import configuration
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import cannot_write, contents, create, shown, write_atomically
from orchestrator.projects import workflow
from orchestrator.projects.guess import Sketch
from orchestrator.projects.recipe_text import recipe_text
from orchestrator.projects.sketch import KINDS, sketch
from orchestrator.recipe.recipe import parse
from orchestrator.recipe.toml import parse_toml
from orchestrator.stories.looking import Place

_IGNORED: Final = ("/releases/", "/keys/*.key")
_LARGEST: Final = 1 << 20
_CONFIGURATION: Final = b"""\
# Who builds, and how many must agree. `tally builder add` adds a host; `tally schema config` has every key.
quorum = 2

[[builder]]
name = "a"

[[builder]]
name = "b"
"""
FORGES: Final = ("github", "gitlab", "none")


@dataclass(frozen=True, slots=True)
class Planned:
    """A file to be written."""

    path: Path
    data: bytes
    appended: bool = False
    """Whether it is there, and gets lines at its end."""


@dataclass(frozen=True, slots=True)
class Left:
    """A file that is there and stays as it is."""

    path: Path
    why: str


@dataclass(frozen=True, slots=True)
class Beginning:
    """What was found, what was written, and what was left as it is."""

    sketch: Sketch
    recipe: Path | None
    """None: it needs none."""
    written: tuple[Path, ...]
    """Also what was there and got lines."""
    appended: frozenset[Path]
    """Of these, what was there."""
    left: tuple[Left, ...]
    job: str | None = None
    """Why there is no CI job, and how to get one; None: there is one, or none was wanted."""


def sketch_of(place: Place, answers: Mapping[str, str], kind: str | None) -> Sketch:
    """What is known of a project. Raises TallyError for a build system that it does not have."""
    try:
        return sketch(place.tree, answers, kind)
    except KeyError as error:
        names = ", ".join(each.name for each in KINDS if each.seen(place.tree))
        raise TallyError(
            f"this project is not built by {kind}, as far as its files say",
            hint=f"it has {names}" if names else "leave the option out: a recipe to fill in is written",
        ) from error


def begin(here: Path, place: Place, found: Sketch, forge: str | None) -> Beginning:
    """Write what is missing in `here`: all of it, or nothing. Raises TallyError.

    Nothing is written at the top of a workspace that is no package itself: its members are begun.
    `forge`: `github`, `gitlab`, `none`; None: as the project's files say.
    """
    if found.members:
        return Beginning(found, None, (), frozenset(), ())
    if not here.resolve().is_relative_to(place.top.resolve()):
        raise TallyError(
            f"{shown(place.top)} is a repository of its own, and {shown(here)} is outside it",
            hint=f"give `tally init` there, after `cd {shlex.quote(str(place.top))}`",
        )
    planned: list[Planned] = []
    left: list[Left] = []
    recipe = None
    if found.target is None:
        recipe = here / "recipes" / f"{found.identity.name.value}.toml"
        text = recipe_text(found, place.path)
        if not _is_text(text):
            raise TallyError(
                "the name of a folder that the recipe would hold is no UTF-8, and a recipe is text",
                hint="rename the folder; `git ls-files` shows such names with a backslash and three digits",
            )
        parse(text, parse_toml(text, str(recipe)), str(recipe))  # what is written can be read
        _new(planned, left, recipe, text.encode())
    above = configuration.find(here)
    if above is not None:
        left.append(Left(above, "it counts here"))
    else:
        _new(planned, left, here / configuration.FILE_NAME, _CONFIGURATION)
    _ignored(planned, left, here / ".gitignore")
    target = found.target or f"recipes/{found.identity.name.value}.toml"
    no_job = _job(planned, left, here, place, target, forge)
    _refuse_outside(place.top, planned)
    _write(planned)
    written = tuple(each.path for each in planned)
    appended = frozenset(each.path for each in planned if each.appended)
    return Beginning(found, recipe, written, appended, tuple(left), no_job)


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def forge_of(place: Place) -> str | None:
    """Where the project's jobs run, as its files or its origin say; None: neither says."""
    top = place.top
    if any(path.startswith(".github/") for path in place.tree.paths) or (top / ".github").is_dir():
        return "github"
    if (top / ".gitlab-ci.yml").exists():
        return "gitlab"
    for name in ("github", "gitlab"):
        if place.tree.remote and name in place.tree.remote.split("/")[2]:
            return name
    return None


def _new(planned: list[Planned], left: list[Left], path: Path, data: bytes) -> None:
    if os.path.lexists(path):
        left.append(Left(path, "it is there already"))
    else:
        planned.append(Planned(path, data))


def _ignored(planned: list[Planned], left: list[Left], path: Path) -> None:
    """Lines that keep releases and private keys out of the repository."""
    if path.is_symlink():
        left.append(Left(path, f"it is a link; add {' and '.join(_IGNORED)} to what it names"))
        return
    try:
        before = contents(path, _LARGEST) if path.exists() else b""
    except (OSError, ValueError) as error:
        raise TallyError(
            f"cannot read {shown(path)}: {error}", hint=f"it should get the lines {_IGNORED}"
        ) from error
    has = {line.strip().strip(b"/") for line in before.splitlines()}
    missing = [line for line in _IGNORED if line.strip("/").encode() not in has]
    if not missing:
        left.append(Left(path, "it has its lines already"))
        return
    ended = b"" if not before or before.endswith(b"\n") else b"\n"
    data = before + ended + "".join(f"{line}\n" for line in missing).encode()
    planned.append(Planned(path, data, appended=bool(before) or path.exists()))


def _job(
    planned: list[Planned], left: list[Left], here: Path, place: Place, target: str, forge: str | None
) -> str | None:
    """The CI job, which forges look for at the repository's top alone; else why there is none."""
    forge = forge or forge_of(place) or "github"
    if forge == "none":
        return None
    if here.resolve() != place.top:
        command = "tally init" if place.path == "." else f"tally init {shlex.quote(place.path)}"
        return (
            "no CI job was written: forges look for jobs at the repository's top alone, and this folder is "
            f"below it; for one, give `{command}` there instead"
        )
    locked = target.startswith("recipes/")
    if forge == "github":
        _new(planned, left, here / workflow.GITHUB, workflow.github(target, locked=locked).encode())
        return None
    path = here / workflow.GITLAB
    if os.path.lexists(path) and not os.path.lexists(here / workflow.GITLAB_BESIDE):
        left.append(Left(path, f"add to it: include: /{workflow.GITLAB_BESIDE}"))
        path = here / workflow.GITLAB_BESIDE
    _new(planned, left, path, workflow.gitlab(target, locked=locked).encode())
    return None


def _refuse_outside(top: Path, planned: list[Planned]) -> None:
    """Raises TallyError for a folder that is elsewhere, by a link that somebody committed."""
    for each in planned:
        if not each.path.parent.resolve().is_relative_to(top.resolve()):
            raise TallyError(
                f"{shown(each.path.parent)} leads out of the repository, and nothing is written there",
                hint="it is a link: remove it, or make it a folder",
            )


def _write(planned: list[Planned]) -> None:
    """All of the files, or none: what was made is taken back where one of them cannot be."""
    undo: list[Callable[[], object]] = []
    try:
        for each in planned:
            for folder in _missing_folders(each.path.parent):
                _make(folder)
                undo.append(folder.rmdir)
            if each.appended:
                before = contents(each.path, _LARGEST)
                mode = each.path.stat().st_mode & 0o777
                write_atomically(each.path, each.data, mode=mode)
                undo.append(partial(write_atomically, each.path, before, mode=mode))
            else:
                try:
                    create(each.path, each.data)
                except FileExistsError as error:
                    raise TallyError(
                        f"{shown(each.path)} was made in this moment by somebody else", hint="run it again"
                    ) from error
                undo.append(each.path.unlink)
    except BaseException:
        for back in reversed(undo):
            back()
        raise


def _missing_folders(folder: Path) -> list[Path]:
    missing = []
    while not os.path.lexists(folder):
        missing.append(folder)
        folder = folder.parent
    return missing[::-1]


def _make(folder: Path) -> None:
    try:
        folder.mkdir()
    except OSError as error:
        raise cannot_write(folder, error) from error
