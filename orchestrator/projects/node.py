"""A Node package: what `npm pack` makes of it. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from orchestrator.projects.guess import FILL_IN, OWN, Claims, Guess, Identity, Way
from orchestrator.projects.node_managers import NPM, Manager, manager
from orchestrator.projects.node_manifest import ASKED, MANIFEST, asked, document, has_script, lacking
from orchestrator.projects.node_workspaces import Workspace, workspace
from orchestrator.projects.node_workspaces import remarks as of_workspace
from orchestrator.projects.own_files import removal
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
_PACK: Final = "npm pack --cache $HOME/packing --ignore-scripts --pack-destination $out"
_OF_WORKSPACE: Final = f"""\
# {FILL_IN}: what makes the package. If it is of a workspace, name its folder as `path`, its lock in
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
    """By its own `build`, where it has one, and `npm pack`; what its workspace packs is packed there."""
    said = document(tree)
    try:
        within = workspace(tree, said)
    except ValueError as error:
        return replace(_alone(tree, said, identity), script=_OF_WORKSPACE, remarks=(str(error),))
    if within is None:
        return _alone(tree, said, identity)
    return _within(within, tree, said, identity)


def _alone(tree: Tree, said: Mapping[str, Any], identity: Identity) -> Way:
    """In its own folder."""
    locked = manager(tree, said)
    remarks = list(of_workspace(tree, said))
    lines = []
    if locked.lock is not None:
        lines.append(locked.install)
    if has_script(said, "build"):
        lines.append(f"{locked.run} build")
        if locked.lock is None and asked(said, ASKED):
            remarks.append(
                f"{MANIFEST} names dependencies, and there is no package-lock.json: `npm install` makes one"
            )
    lines += _left_out(tree, said, identity)
    return _way(said, identity, locked, [*lines, "mkdir $out", _PACK], remarks)


def _within(within: Workspace, tree: Tree, said: Mapping[str, Any], identity: Identity) -> Way:
    """In its workspace: what that one's lock pins is installed, and what the package needs is built first."""
    top, folder = within.top, within.folder
    locked = manager(top, document(top))
    lines, first = [locked.install], list[str]()
    if has_script(said, "build"):
        first = within.before(said)
        lines += [f"(cd {shlex.quote(each)} && {locked.run} build)" for each in first]
    if folder != ".":
        lines.append(f"cd {shlex.quote(folder)}")
    if has_script(said, "build"):
        lines.append(f"{locked.run} build")
    lines += _left_out(tree, said, identity)
    pack = _PACK if locked.pack is None else locked.pack.format(file=shlex.quote(_file(said, identity)))
    remarks = [f"its source is its workspace, {top.place}, whose {locked.lock} pins what it is built with"]
    if first:
        remarks.append(f"built first, since it needs them: {', '.join(first)}")
    made = _way(said, identity, locked, [*lines, "mkdir $out", pack], remarks)
    named = folder != "." and folder.isprintable()  # `member` holds no control characters
    return replace(made, source=top.path, member=folder if named else None)


def _left_out(tree: Tree, said: Mapping[str, Any], identity: Identity) -> list[str]:
    """Where a package does not say which files it has, managers pack all that lies in its folder."""
    return [] if isinstance(said.get("files"), list) else removal(tree, identity.name.value)


def _way(
    said: Mapping[str, Any], identity: Identity, locked: Manager, lines: list[str], remarks: list[str]
) -> Way:
    # beside the project's own source there is always another, so that the script knows where that is
    packs = (NPM,) if _PACK in lines or not locked.source else ()
    managers = {each.name: each for each in (*packs, locked)}.values()
    return Way(
        (Guess("nodejs", MANIFEST),),
        _PATH + "".join(map(_command, managers)) + f"cd {OWN}\n" + "\n".join(lines) + "\n",
        path=_file(said, identity),
        check=f"{locked.name} test" if has_script(said, "test") else None,
        suite=_suite(said),
        tools=tuple((each.name, each.source) for each in managers if each.source),
        locks=(locked.lock,) if locked.lock is not None else (),
        remarks=(*remarks, *([locked.remark] if locked.remark else [])),
    )


def _file(said: Mapping[str, Any], identity: Identity) -> str:
    """What the packed archive is called, as npm and pnpm call it."""
    name = str(said.get("name", identity.name.value)).lstrip("@").replace("/", "-")
    return f"{name}-{said.get('version', identity.version.value)}.tgz"


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
