"""What evidence says of the agreement: how many builders, how independent, and on what. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from orchestrator.agreement.independence import Level, Party, level_of
from orchestrator.evidence.surroundings import surroundings, varied
from orchestrator.evidence.terms import NAR_SHA256

if TYPE_CHECKING:  # who only reads evidence needs nothing of how it is made
    from orchestrator.agreement.agreement import DifferingOutput
    from orchestrator.builders.build import BuiltPath, Identity, Report, SandboxProof
    from orchestrator.evidence.facts import ReleaseFacts


def independence(identities: Sequence[Mapping[str, Any]], quorum: int) -> Level:
    """How independent builders are that made the same; `identities` as `identity` gives them."""
    parties = [
        Party(str(each.get("store")), *(_text(each.get(name)) for name in _TELLING)) for each in identities
    ]
    return level_of(parties, quorum)


def agreement(facts: ReleaseFacts) -> dict[str, Any]:
    """The agreement, as the reproduction statement and release.json hold it."""
    agreed = facts.agreed
    said = {
        "builders": [report.identity.name for report in agreed.reports],
        "quorum": facts.quorum,
        "vote": agreed.vote,
        "independence": independence([identity(report.identity) for report in agreed.reports], facts.quorum),
        "varied": list(
            varied([surroundings(each.surroundings) for each in agreed.reports if each.surroundings])
        ),
        "outputs": outputs(agreed.outputs),
    }
    if agreed.dissent:
        said["dissent"] = [_dissent(report, agreed.outputs) for report in agreed.dissent]
    if facts.depth is not None:
        said["depth"] = {**facts.depth.document, "deep": facts.deep}
    if facts.carried is not None:
        said["closure"] = {
            "operators": facts.carried.operators,
            "by": list(facts.carried.by),
            "evidence": [{"digest": {"sha256": each.hex}} for each in facts.carried.evidence],
            "unlike": [
                {"derivation": path, "operators": list(names)} for path, names in facts.carried.unlike
            ],
        }
    if agreed.converged:
        said["converged"] = [_converged(each) for each in agreed.converged]
    if facts.beliefs:
        said["inputs"] = inputs(facts)
    return said


def inputs(facts: ReleaseFacts) -> dict[str, Any]:
    """How deep the agreement reaches: of how many derivations, fixed outputs aside."""
    depth = facts.beliefs.depth(facts.graph)
    return {
        "derivations": depth.derivations,
        "rebuilt": depth.rebuilt,
        "believed": depth.believed,
        "levels": _levels(facts),
        "paths": len(facts.beliefs.paths),
        "keys": list(depth.keys),
    }


def _levels(facts: ReleaseFacts) -> int:
    """How many levels of inputs below the package were all rebuilt."""
    graph, levels = facts.graph, 0
    level, seen = {facts.package_derivation}, {facts.package_derivation}
    while True:
        below = {path for drv in level for path in graph[drv].input_derivations if graph[path].fixed is None}
        level = below - seen
        if not level or not level <= facts.beliefs.rebuilt:
            return levels
        seen |= level
        levels += 1


def outputs(of: Mapping[str, Mapping[str, BuiltPath]]) -> dict[str, Any]:
    """What was made: derivation path, output name, then its path and NAR hash."""
    return {
        derivation: {
            name: {"path": built.path, NAR_SHA256: built.nar_hash.hex} for name, built in sorted(made.items())
        }
        for derivation, made in sorted(of.items())
    }


def _converged(output: DifferingOutput) -> dict[str, Any]:
    """An input that differed, and what each builder made of it."""
    return {
        "derivation": output.derivation,
        "output": output.output,
        "path": output.path,
        "inherited": output.inherited,
        "made": {side: {NAR_SHA256: digest.hex} for side, digest in sorted(output.hashes.items())},
    }


def _dissent(report: Report, agreed: Mapping[str, Any]) -> dict[str, Any]:
    """A builder that made something else, and what it made."""
    made = {path: build.outputs for path, build in report.builds.items() if path in agreed}
    return {"builder": identity(report.identity), "outputs": outputs(made)}


def identity(of: Identity) -> dict[str, str | bool]:
    """Who a builder is, as observed on it; what was not observed is left out."""
    found = {
        "name": of.name,
        "store": of.store,
        "operator": of.operator,
        "nixVersion": of.nix_version,
        "machineIdSha256": of.machine_id,
        "bootIdSha256": of.boot_id,
        "kernel": of.kernel,
        "cpuModel": of.cpu_model,
        "system": of.system,
        "emulated": of.emulated or None,
        "hostMachineIdSha256": of.host_id,
    }
    return {name: value for name, value in found.items() if value is not None}


_TELLING = ("operator", "machineIdSha256", "bootIdSha256", "hostMachineIdSha256")


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def sandbox(proof: SandboxProof) -> dict[str, Any]:
    """What the probe saw from inside a builder's sandbox."""
    return {
        "networkInterfaces": list(proof.network_interfaces),
        "uid": proof.uid,
        "buildDirectory": proof.build_directory,
        "hostName": proof.host_name,
        "rootEntries": list(proof.root_entries),
        "environment": list(proof.environment),
        "hostFileVisible": proof.host_file_visible,
    }
