"""What defined a build that no recipe did: a derivation, a file's attribute, a flake's. Pure.

Field by field: docs/predicates/derivation.md, expression.md and flake.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.evidence.canonical import MalformedError, member
from orchestrator.evidence.terms import DERIVATION_TYPE, EXPRESSION_TYPE, FLAKE_TYPE, NAR_SHA256
from orchestrator.ground.digest import Sha256
from orchestrator.ground.values import dataclass
from orchestrator.pinning.flakeref import is_local, nar_sha256, url_of


@dataclass(frozen=True, slots=True)
class Definition:
    """The part of a provenance that says what was evaluated."""

    build_type: str
    parameters: Mapping[str, Any]
    """Members of `externalParameters` beside the target."""


def of_derivation(name: str, sha256: Sha256) -> Definition:
    """Somebody's `.drv`, by the file's name and its own digest."""
    file = {"name": name, "digest": {"sha256": sha256.hex}}
    return Definition(DERIVATION_TYPE, {"derivation": file})


def of_expression(evaluation: Mapping[str, Any]) -> Definition:
    """An attribute of a Nix file: `evaluation` says in which trees it was evaluated, and with what."""
    return Definition(EXPRESSION_TYPE, {"expression": evaluation})


def of_flake(evaluation: Mapping[str, Any]) -> Definition:
    """An attribute of a flake, with its locked reference and those of its inputs."""
    return Definition(FLAKE_TYPE, {"flake": evaluation})


def dependencies_of(parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The ResourceDescriptors that follow from what was evaluated, as `externalParameters` have it.

    Raises MalformedError.
    """
    found: list[dict[str, Any]] = []
    if "derivation" in parameters:
        found.append(member(parameters, "derivation", dict, _WHAT))
    if "expression" in parameters:
        expression = member(parameters, "expression", dict, _WHAT)
        found.append(_tree("tree", member(expression, "tree", dict, _WHAT)))
        search = member(expression, "search", dict, _WHAT)
        found += [_tree(f"<{name}>", member(search, name, dict, _WHAT)) for name in sorted(search)]
    if "flake" in parameters:
        flake = member(parameters, "flake", dict, _WHAT)
        found.append(_locked(_ITSELF, member(flake, "locked", dict, _WHAT)))
        inputs = member(flake, "inputs", dict, _WHAT)
        found += [_locked(f"input {name}", member(inputs, name, dict, _WHAT)) for name in sorted(inputs)]
    return found


_ITSELF = "flake"
_WHAT = "what the provenance says was evaluated"


def _tree(name: str, tree: Mapping[str, Any]) -> dict[str, Any]:
    found = {"name": name, "digest": member(tree, "digest", dict, _WHAT)}
    return found | {"uri": member(tree, "uri", str, _WHAT)} if "uri" in tree else found


def _locked(name: str, reference: Mapping[str, Any]) -> dict[str, Any]:
    """A locked flake by its digests, and by its address where others can reach it.

    Where flake.lock has the hash of an input's tree, Nix looks at that alone, and a commit beside it is the
    lock's word. The flake's own commit is what Nix fetched.
    """
    digest: dict[str, str] = {}
    if (nar := nar_sha256(reference)) is not None:
        digest[NAR_SHA256] = nar
    if "rev" in reference and (name == _ITSELF or nar is None):
        digest["gitCommit"] = member(reference, "rev", str, _WHAT)
    found: dict[str, Any] = {"name": name, "digest": digest}
    if is_local(reference):
        return found
    try:
        return {"uri": url_of(reference), **found}
    except ValueError as error:
        raise MalformedError(f"{_WHAT} has no address: {error}") from error
