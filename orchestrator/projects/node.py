"""A Node package: what `npm pack` makes of it. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from orchestrator.projects.guess import OWN, Claims, Guess, Identity, Way
from orchestrator.projects.suites import fitting
from orchestrator.projects.tree import Tree

FILE: Final = "package.json"
_SOURCE: Final = (
    ("npm", "npm"),
    ("version", "9.9.4"),
    ("sha256", "640bdd76a0b9d92e9da6e391abae75fd2f168478e416847f3acdb8373737e0ee"),
)
"""npm itself: Debian's takes 400 packages, and its cache cannot be links into the store."""
_NPM: Final = f"""\
mkdir $HOME/bin
printf '#!/bin/sh\\nexec node %s/npm/bin/npm-cli.js "$@"\\n' $PWD > $HOME/bin/npm
chmod +x $HOME/bin/npm
export PATH=$HOME/bin:$PATH
cd {OWN}
"""
_LOCKS: Final = ("npm-shrinkwrap.json", "package-lock.json")


def seen(tree: Tree) -> str | None:
    """Its manifest at the top, of a package that has a name and a version: others serve tools alone."""
    said = _document(tree)
    return FILE if isinstance(said.get("name"), str) and isinstance(said.get("version"), str) else None


def claims(tree: Tree) -> Claims:
    """What package.json says."""
    said = _document(tree)

    def guess(key: str, value: object) -> Guess | None:
        return tree.find(FILE, key, value) if isinstance(value, str) and value else None

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
    said = _document(tree)
    name = str(said.get("name", identity.name.value)).lstrip("@").replace("/", "-")
    locks = tuple(filter(tree.has, _LOCKS))[:1]
    scripts = said.get("scripts") if isinstance(said.get("scripts"), dict) else {}
    remarks = []
    lines = []
    if locks:
        lines.append("npm ci --ignore-scripts")
    if isinstance(scripts, dict) and "build" in scripts:
        lines.append("npm run build")
        if not locks and (said.get("dependencies") or said.get("devDependencies")):
            remarks.append(
                f"{FILE} names dependencies, and there is no package-lock.json: `npm install` makes one"
            )
    lines += ["mkdir $out", "npm pack --cache $HOME/packing --ignore-scripts --pack-destination $out"]
    return Way(
        (Guess("nodejs", FILE),),
        _NPM + "\n".join(lines) + "\n",
        path=f"{name}-{said.get('version', identity.version.value)}.tgz",
        check="npm test" if isinstance(scripts, dict) and "test" in scripts else None,
        suite=_suite(said),
        tools=(("npm", _SOURCE),),
        locks=locks,
        remarks=tuple(remarks),
    )


def _suite(said: Mapping[str, Any]) -> str:
    """By the oldest Node that `engines` names."""
    engines = said.get("engines")
    asked = (
        re.match(r"\s*(?:>=|\^|~)?\s*v?(\d+(\.\d+)*)", str(engines.get("node")))
        if isinstance(engines, dict)
        else None
    )
    return fitting([("node", f">={asked[1]}")] if asked else [])


def _document(tree: Tree) -> Mapping[str, Any]:
    try:
        said = json.loads(tree.read(FILE) or "{}")
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
