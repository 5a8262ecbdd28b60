"""The files that Tallystick writes into a project's folder: no part of what a build packs of it. Pure.

They change where nothing of the project does, as tally.lock with every `tally lock`.
"""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Final

from orchestrator.projects import workflow
from orchestrator.projects.tree import Tree

_RECIPES: Final = "recipes/*.toml"
_KEYS: Final = "keys/*.pub"
_USUAL_KEY: Final = "keys/release.pub"


def removal(tree: Tree, name: str, *, folders: bool = False) -> list[str]:
    """Lines of a script that remove them from its copy of the folder, where they are in it.

    `name` is the recipe's. `folders`: also the folders that are then empty.
    """
    if tree.begun is None:
        return []
    before = "" if tree.begun == "." else f"{shlex.quote(tree.begun)}/"
    lines = [
        "# What Tallystick writes is no part of the package.",
        f"rm -f {' '.join(before + each for each in _paths(tree, tree.begun, name))}",
    ]
    if folders:
        lines.append(f"rmdir {before}recipes {before}keys 2> /dev/null || true")
    return lines


def _paths(tree: Tree, begun: str, name: str) -> Iterator[str]:
    """Each as a shell takes it. A pattern that takes files of the project's own, too, is not used."""

    def there(pattern: str) -> list[str]:
        place = posixpath.normpath(posixpath.join(begun, pattern))
        return [path for path in tree.paths if fnmatchcase(path, place)]

    ours = all("[toolchain]" in (tree.read(each) or "") for each in there(_RECIPES))
    yield _RECIPES if ours else f"recipes/{name}.toml"
    yield "tally.toml"
    yield "tally.lock"
    yield _KEYS if set(there(_KEYS)) <= set(there(_USUAL_KEY)) else _USUAL_KEY
    if posixpath.normpath(posixpath.join(tree.path, begun)) != ".":
        return  # no job is written
    yield workflow.GITHUB
    yield workflow.GITLAB_BESIDE
    if all((tree.read(each) or "").startswith(workflow.FIRST) for each in there(workflow.GITLAB)):
        yield workflow.GITLAB
