"""flake.lock, read as Nix reads it (Nix manual, `nix flake`, "Lock files"). Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from orchestrator.ground.plainly import why

WRITE: Final = "nix --extra-experimental-features 'nix-command flakes' flake lock"
"""The command that writes one, also where a machine's nix.conf does not turn flakes on."""
_VERSIONS: Final = (5, 6, 7)
_DIGITS: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_NAR_HASH: Final = re.compile(r"sha256-[A-Za-z0-9+/]{43}=")


def parse(data: bytes) -> Mapping[str, Any]:
    """What a flake.lock holds. Raises ValueError that names the node that Nix could not read."""
    try:
        lock = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(why(error)) from None
    if not isinstance(lock, dict):
        raise ValueError("it is not an object")
    version = lock.get("version")
    if type(version) is not int or version not in _VERSIONS:
        known = ", ".join(map(str, _VERSIONS))
        raise ValueError(f"its version is {_short(version)}; known are {known}")
    nodes, root = lock.get("nodes"), lock.get("root")
    if not isinstance(nodes, dict) or not all(isinstance(node, dict) for node in nodes.values()):
        raise ValueError("its nodes are not objects")
    if not isinstance(root, str) or root not in nodes:
        raise ValueError(f"its root, {_short(root)}, is no node of it")
    for name, node in nodes.items():
        try:
            _check(name == root, node, nodes)
        except ValueError as error:
            raise ValueError(f"the node {name} {error}") from None
    return lock


def _check(is_root: bool, node: Mapping[str, Any], nodes: Mapping[str, Any]) -> None:
    """Raises ValueError that goes on from `the node NAME`."""
    inputs = node.get("inputs", {})
    if not isinstance(inputs, dict):
        raise ValueError("has inputs that are no object")
    for name, target in inputs.items():
        follows = isinstance(target, list) and all(isinstance(step, str) for step in target)
        if not follows and not (isinstance(target, str) and target in nodes):
            raise ValueError(f"has an input {name} that is no node: {_short(target)}")
    if is_root and "locked" not in node:
        return
    for part in ("locked", "original"):
        reference = node.get(part)
        if not isinstance(reference, dict) or not isinstance(reference.get("type"), str):
            raise ValueError(f"has no `{part}` with a type")
        for key, value in reference.items():
            if not isinstance(value, str | int):
                raise ValueError(f"has a `{part}.{key}` that is neither text, number nor truth value")
    locked = node["locked"]
    for key, form, what in (
        ("narHash", _NAR_HASH, "sha256-… in base64"),
        ("rev", _DIGITS, "a commit's 40 or 64 digits"),
    ):
        if key in locked and not (isinstance(locked[key], str) and form.fullmatch(locked[key])):
            raise ValueError(f"has a `locked.{key}` that is not {what}: {_short(locked[key])}")


def pins(lock: Mapping[str, Any]) -> dict[str, tuple[str | None, str | None]]:
    """Each node with a `locked` to its narHash and rev, which identify its content."""
    locked = {name: node["locked"] for name, node in lock["nodes"].items() if "locked" in node}
    return {name: (each.get("narHash"), each.get("rev")) for name, each in locked.items()}


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
