"""Path sources: a folder of the recipe's own repository, as its commit has it.

They are not in `tally.lock`: the lock is in the same repository, so a commit recorded in it could never be
its own. The commit goes into the request, and from there into the evidence.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from orchestrator.ground.digest import NarHash
from orchestrator.ground.errors import TallyError
from orchestrator.ground.nar import nar_hash
from orchestrator.recipe import git
from orchestrator.recipe.recipe import PathSource, Recipe

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
        (name, key, source.path)
        for name, recipe in sorted(recipes.items())
        for key, source in sorted(recipe.named_sources.items())
        if isinstance(source, PathSource)
    ]
    if not wanted:
        return {}
    top, commit = git.head(folder)
    return {
        (name, key): _pin(top, commit, f"{name}-{key}", _plain(path), allow_dirty)
        for name, key, path in wanted
    }


def write_tree(folder: Path, url: str, target: Path) -> None:
    """Write what a pin's address names into a folder that is there and empty. Raises TallyError."""
    path, _, commit = url.removeprefix("path:").rpartition("@")
    top, _ = git.head(folder)
    if commit:
        git.export_tree(top, commit, _plain(unquote(path)), target)
    else:
        git.copy_working_tree(top, _plain(unquote(path)), target)


def _pin(top: Path, commit: str, name: str, path: str, allow_dirty: bool) -> PathPin:
    changed = git.changes(top, path)
    if changed and not allow_dirty:
        shown = ", ".join(changed[:_SHOWN]) + (
            f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
        )
        raise TallyError(
            f"the path source {path or '.'} differs from its commit: {shown}",
            hint="commit the changes, or build with --allow-dirty, and then nothing is signed",
        )
    url = f"path:{quote(path) or '.'}@" + ("" if changed else commit)
    with tempfile.TemporaryDirectory(prefix="tallystick-path-") as temporary:
        write_tree(top, url, Path(temporary))
        digest = nar_hash(Path(temporary))
    return PathPin(name, digest, url, bool(changed))


def _plain(path: str) -> str:
    return "/".join(part for part in path.split("/") if part != ".")
