"""A Node package: what `npm pack` makes of it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from orchestrator.projects.guess import FILL_IN, OWN, Claims, Guess, Identity, Way
from orchestrator.projects.node_managers import NPM, Manager, manager
from orchestrator.projects.node_workspaces import MANIFEST, document, has_script, lacking, unbuilt
from orchestrator.projects.node_workspaces import remarks as of_workspace
from orchestrator.projects.suites import fitting
from orchestrator.projects.tree import Tree

_PATH: Final = """\
mkdir $HOME/bin
export PATH=$HOME/bin:$PATH
"""
_COMMAND: Final = """\
printf '#!/bin/sh\\nexec node %s/{program} "$@"\\n' $PWD > $HOME/bin/{name}
chmod +x $HOME/bin/{name}
"""
_OF_WORKSPACE: Final = f"""\
# {FILL_IN}: what makes the package in its workspace. Name the workspace's folder as `path`, and its lock in
# [[dependencies]]; install there, and pack this package with the workspace's own manager.
echo "this recipe has no build script yet" >&2
false
"""


def seen(tree: Tree) -> str | None:
    """Its manifest at the top, of a package that has a name and a version: others serve tools alone."""
    return None if lacking(document(tree)) else MANIFEST


def claims(tree: Tree) -> Claims:
    """What package.json says."""
    said = document(tree)

    def guess(key: str, value: object) -> Guess | None:
        return tree.find(MANIFEST, key, value) if isinstance(value, str) and value else None

    repository = said.get("repository")
    page = said.get("homepage") or (repository.get("url") if isinstance(repository, dict) else repository)
    if isinstance(page, str):
        page = re.sub(r"^git\+|\.git$", "", page)
    return Claims(
        guess('"name"', said.get("name")),
        guess('"version"', said.get("version")),
        guess('"description"', said.get("description")),
        guess("", page),
        guess('"license"', said.get("license")),
    )


def way(tree: Tree, identity: Identity) -> Way:
    """By its own `build`, where it has one, and `npm pack`."""
    said = document(tree)
    alone = unbuilt(tree, said)
    name = str(said.get("name", identity.name.value)).lstrip("@").replace("/", "-")
    locked = manager(tree, said)
    remarks = list(of_workspace(tree, said)) if alone is None else [alone]
    lines = []
    if locked.lock is not None:
        lines.append(locked.install)
    if has_script(said, "build"):
        lines.append(f"{locked.run} build")
        if locked.lock is None and (said.get("dependencies") or said.get("devDependencies")):
            remarks.append(
                f"{MANIFEST} names dependencies, and there is no package-lock.json: `npm install` makes one"
            )
    lines += ["mkdir $out", "npm pack --cache $HOME/packing --ignore-scripts --pack-destination $out"]
    managers = {each.name: each for each in (NPM, locked)}.values()  # npm packs, whoever installs
    return Way(
        (Guess("nodejs", MANIFEST),),
        _PATH + "".join(map(_command, managers)) + f"cd {OWN}\n" + "\n".join(lines) + "\n"
        if alone is None
        else _OF_WORKSPACE,
        path=f"{name}-{said.get('version', identity.version.value)}.tgz",
        check=f"{locked.name} test" if has_script(said, "test") else None,
        suite=_suite(said),
        tools=tuple((each.name, each.source) for each in managers if each.source),
        locks=(locked.lock,) if locked.lock is not None else (),
        remarks=tuple(remarks),
    )


def _command(each: Manager) -> str:
    """Lines that have a manager among the build's commands."""
    program = each.program if each.source else f"{OWN}/{each.program}"
    return _COMMAND.format(name=each.name, program=program)


def _suite(said: Mapping[str, Any]) -> str:
    """By the oldest Node that `engines` names."""
    engines = said.get("engines")
    asked = (
        re.match(r"\s*(?:>=|\^|~)?\s*v?(\d+(\.\d+)*)", str(engines.get("node")))
        if isinstance(engines, dict)
        else None
    )
    return fitting([("node", f">={asked[1]}")] if asked else [])
