"""By which commands a release was made: what each derivation that was built has its builder run. Pure.

Field by field: docs/predicates/build.md.
"""

from __future__ import annotations

from typing import Any

from orchestrator.evidence.facts import ReleaseFacts
from orchestrator.evidence.materials import built_here
from orchestrator.nix.derivation import Derivation


def command_of(derivation: Derivation) -> list[str]:
    """The builder executable and its arguments, word for word."""
    return [derivation.builder_executable, *derivation.args]


def package_command(facts: ReleaseFacts) -> list[str]:
    """The command that made the package: what in-toto's link says, which has room for one."""
    return command_of(facts.graph[facts.package_derivation])


def commands_of(facts: ReleaseFacts) -> list[dict[str, Any]]:
    """Every derivation that was built for the artifact, each after those that it uses."""
    built = {
        derivation.path for derivation in built_here(facts.graph, facts.artifact_derivation, facts.beliefs)
    }
    return [
        {
            "derivation": derivation.path,
            "command": command_of(derivation),
            "environment": dict(sorted(derivation.env.items())),
        }
        for derivation in facts.graph.in_build_order()
        if derivation.path in built
    ]
