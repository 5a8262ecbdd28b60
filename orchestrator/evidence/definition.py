"""What defined a build that no recipe did: a derivation, a file's attribute, a flake's. Pure.

Field by field: docs/predicates/derivation.md, expression.md and flake.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.evidence.terms import DERIVATION_TYPE, EXPRESSION_TYPE, FLAKE_TYPE
from orchestrator.ground.digest import Sha256


@dataclass(frozen=True, slots=True)
class Definition:
    """The part of a provenance that says what was evaluated."""

    build_type: str
    parameters: Mapping[str, Any]
    """Members of `externalParameters` beside the target."""
    dependencies: Sequence[Mapping[str, Any]]
    """ResourceDescriptors that come first among the resolved dependencies."""


def of_derivation(name: str, sha256: Sha256) -> Definition:
    """Somebody's `.drv`, by the file's name and its own digest."""
    file = {"name": name, "digest": {"sha256": sha256.hex}}
    return Definition(DERIVATION_TYPE, {"derivation": file}, [file])


def of_expression(evaluation: Mapping[str, Any]) -> Definition:
    """An attribute of a Nix file: `evaluation` says in which trees it was evaluated, and with what."""
    trees = [("tree", evaluation["tree"])]
    trees += [(f"<{name}>", tree) for name, tree in sorted(evaluation["search"].items())]
    return Definition(EXPRESSION_TYPE, {"expression": evaluation}, [_tree(*each) for each in trees])


def _tree(name: str, tree: Mapping[str, Any]) -> dict[str, Any]:
    """A ResourceDescriptor of a tree."""
    found = {"name": name, "digest": tree["digest"]}
    return found | {"uri": tree["uri"]} if "uri" in tree else found


def of_flake(
    evaluation: Mapping[str, Any], flake: Mapping[str, Any], inputs: Mapping[str, Mapping[str, Any]]
) -> Definition:
    """An attribute of a flake: its ResourceDescriptor without a name, and those of its lock's inputs."""
    named = [
        {"name": "flake", **flake},
        *({"name": f"input {name}", **each} for name, each in inputs.items()),
    ]
    return Definition(FLAKE_TYPE, {"flake": evaluation}, named)
