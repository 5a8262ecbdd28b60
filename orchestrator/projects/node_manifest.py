"""What a package.json says. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from orchestrator.projects.tree import Tree

MANIFEST: Final = "package.json"
SHIPPED: Final = ("dependencies", "optionalDependencies", "peerDependencies")
"""What users of the package get, or have to have."""
ASKED: Final = (*SHIPPED, "devDependencies")


def document(tree: Tree, path: str = MANIFEST) -> Mapping[str, Any]:
    """What a package.json says; nothing where it is no JSON."""
    try:
        said = json.loads(tree.read(path) or "{}")
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def lacking(said: Mapping[str, Any]) -> list[str]:
    """What a package.json does not say of what every package has; such a file serves tools alone."""
    return [key for key in ("name", "version") if not isinstance(said.get(key), str)]


def has_script(said: Mapping[str, Any], name: str) -> bool:
    """Whether a package.json has a script of this name."""
    scripts = said.get("scripts")
    return isinstance(scripts, dict) and name in scripts


def asked(said: Mapping[str, Any], kinds: tuple[str, ...]) -> Mapping[str, str]:
    """Names and ranges that a package.json asks for in tables of these names."""
    found: dict[str, str] = {}
    for kind in kinds:
        told = said.get(kind)
        for name, wanted in told.items() if isinstance(told, dict) else ():
            if isinstance(wanted, str):
                found.setdefault(name, wanted)
    return found
