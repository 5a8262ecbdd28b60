"""Path sources: a folder of the recipe's own repository, as its commit has it.

They are not in `tally.lock`: the lock is in the same repository, so a commit recorded in it could never be
its own. The commit goes into the request, and from there into the evidence.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from orchestrator.ground.digest import NarHash
from orchestrator.ground.errors import TallyError
from orchestrator.ground.nar import nar_hash
from orchestrator.recipe.recipe import PathSource, Recipe
from orchestrator.recipe.wanted import PLAIN, Extras
from orchestrator.repositories import git, lfs
from orchestrator.repositories.bounds import Budget
from orchestrator.repositories.gittree import copy_working_tree, export_tree
from orchestrator.repositories.worktree import Change, changes

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class PathPin:
    """What a path source was when it was looked up."""

    name: str
    digest: NarHash
    url: str
    """`path:PATH@COMMIT`, the path percent-encoded; `path:PATH@` for a tree that differs from its commit."""
    dirty: bool
    """Whether the tree differs from its commit. Nothing made from it may be signed."""


PathPins = Mapping[tuple[str, str], PathPin]
"""(Recipe name, source name) to what that path source is right now."""


def path_pins(folder: Path, recipes: Mapping[str, Recipe], *, allow_dirty: bool = False) -> PathPins:
    """The state of every path source of these recipes, whose repository `folder` is in.

    Raises TallyError when a source differs from its commit and that is not allowed, or there is no commit.
    """
    wanted = [
        (name, key, source)
        for name, recipe in sorted(recipes.items())
        for key, source in sorted(recipe.named_sources.items())
        if isinstance(source, PathSource)
    ]
    if not wanted:
        return {}
    top, commit = git.head(folder)
    return {
        (name, key): _pin(top, commit, f"{name}-{key}", source, allow_dirty) for name, key, source in wanted
    }


def write_tree(folder: Path, url: str, target: Path, extras: Extras = PLAIN) -> None:
    """Write what a pin's address names into a folder that is there and empty. Raises TallyError."""
    path, _, commit = url.removeprefix("path:").rpartition("@")
    top, _ = git.head(folder)
    _write(top, commit, _plain(unquote(path)), target, extras, Budget("it"))


def _write(
    top: Path, commit: str, path: str, target: Path, extras: Extras, budget: Budget, level: int = 0
) -> None:
    """`commit` is empty for the tree as it lies there."""
    if commit:
        submodules = export_tree(top, commit, path, target, budget)
    else:
        submodules = copy_working_tree(top, path, target, budget)
    if extras.lfs is not False and (pointers := lfs.pointers(target)):
        if extras.lfs is None:
            raise lfs.refusal(pointers)
        lfs.fill(target, pointers, lfs.local(top))
    for each in submodules if extras.submodules else ():
        budget.submodule(level + 1)
        place = top / path / each.path
        if not (place / ".git").exists():
            raise TallyError(
                f"the submodule {each.path} is not checked out",
                hint="check it out with `git submodule update --init --recursive`",
            )
        _write(place, commit and each.commit, "", target / each.path, extras, budget, level + 1)


def _pin(top: Path, commit: str, name: str, source: PathSource, allow_dirty: bool) -> PathPin:
    path = _plain(source.path)
    try:
        changed = changes(top, commit, path, Budget("it"))
    except TallyError as error:
        raise TallyError(f"the path source {path or '.'}: {error.message}", hint=error.hint) from error
    if changed and not allow_dirty:
        raise _differs(path, changed)
    url = f"path:{quote(path) or '.'}@" + ("" if changed else commit)
    with tempfile.TemporaryDirectory(prefix="tallystick-path-") as temporary:
        try:
            write_tree(top, url, Path(temporary), Extras(source.submodules, source.lfs))
        except TallyError as error:
            raise TallyError(f"the path source {path or '.'}: {error.message}", hint=error.hint) from error
        digest = nar_hash(Path(temporary))
    return PathPin(name, digest, url, bool(changed))


def _differs(path: str, changed: Sequence[Change]) -> TallyError:
    shown = ", ".join(each.path for each in changed[:_SHOWN])
    more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
    new = next((each.path for each in changed if each.new), None)
    ignored = "" if new is None else f"name what is no source, as {new}, in .gitignore, or "
    hint = f"commit the changes, or {ignored}build with --allow-dirty, and then nothing is signed"
    filtered = next((each for each in changed if each.filter), None)
    if filtered is not None:
        more += (
            f"; git converts {filtered.path} by the attribute {filtered.filter}, "
            "and a repository's filters are not run here"
        )
        hint = f"if that conversion is all: take the attribute out of .gitattributes, or {hint}"
    return TallyError(f"the path source {path or '.'} differs from its commit: {shown}{more}", hint=hint)


def _plain(path: str) -> str:
    return "/".join(part for part in path.split("/") if part != ".")
