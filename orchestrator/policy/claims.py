"""What the orchestrator says of a run, against what builders and layout say of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestrator.agreement.independence import LEVELS
from orchestrator.evidence.canonical import member
from orchestrator.evidence.layout import Layout
from orchestrator.evidence.links import Link
from orchestrator.evidence.statement import Statement
from orchestrator.evidence.terms import ORCHESTRATOR
from orchestrator.policy.commands import Told
from orchestrator.policy.verdict import Code, Reason
from orchestrator.recipe.purltext import unescaped

_WHAT = "the provenance"


def of_the_run(
    provenance: Statement, reproduction: Statement, agreed: Mapping[str, Any], links: Sequence[Link]
) -> Iterator[Reason]:
    """Who compared the builds, and with which Nix they were made."""
    details = member(provenance.predicate, "runDetails", dict, _WHAT)
    builder = member(details, "builder", dict, _WHAT)
    producer = member(reproduction.predicate, "producer", dict, "the reproduction statement")
    for said in (builder.get("id"), producer.get("uri")):
        if said != ORCHESTRATOR:
            yield _no(f"it is said to be by {str(said)[:80]!r}, which no release of ours is")
    versions: dict[object, list[str]] = {}
    for link in links:
        if (version := link.identity.get("nixVersion")) is not None:
            versions.setdefault(version, []).append(link.builder)
    told = {}
    for each in (
        member(builder, "builderDependencies", list, _WHAT) if "builderDependencies" in builder else []
    ):
        uri = member(each, "uri", str, _WHAT)
        names = member(member(each, "annotations", dict, _WHAT), "builders", list, _WHAT)
        told[unescaped(uri.rpartition("@")[2])] = sorted(map(str, names))
    if told != {str(version).strip(): sorted(names) for version, names in versions.items()}:
        yield _no("the provenance tells of another Nix than the builders' links")
    vote = agreed.get("vote")
    if vote is not None and (vote not in LEVELS or _level(vote) > _level(agreed.get("independence"))):
        yield _no("the votes of the agreement are counted at a level that its builders do not have")


def quorum(provenance: Statement, agreed: Mapping[str, Any], layout: Layout) -> Iterator[Reason]:
    """Layout, agreement and provenance ask for the same number of builders."""
    internal = _internal(provenance)
    said = (member(internal, "quorum", int, _WHAT), member(agreed, "quorum", int, "the agreement"))
    if said != (layout.threshold, layout.threshold):
        yield _no(
            f"the layout asks for {layout.threshold} builders, and the statements say {said[0]} and {said[1]}"
        )


def package(provenance: Statement, told: Told, artifact: str) -> Iterator[Reason]:
    """Name, version and system are those of what was built: the artifact's own derivation has them."""
    internal = _internal(provenance)
    command = told.of(told.artifact)
    if command is None:
        return
    said = member(internal, "package", dict, _WHAT)
    environment = command.environment
    for what, ours, theirs in (
        ("name", said.get("name"), environment.get("tallyName")),
        ("version", said.get("version"), environment.get("tallyVersion")),
        ("system", internal.get("system"), command.system),
        ("file name", artifact, environment.get("tallyFileName")),
    ):
        if ours != theirs:
            differ = f"{ours!s:.80}, not {theirs!s:.80}"
            yield _no(f"the provenance has another {what} than the artifact's derivation: {differ}")


def _internal(provenance: Statement) -> dict[str, Any]:
    definition = member(provenance.predicate, "buildDefinition", dict, _WHAT)
    return member(definition, "internalParameters", dict, _WHAT)


def _level(of: object) -> int:
    return next((place for place, level in enumerate(LEVELS) if level == of), -1)


def _no(said: str) -> Reason:
    return Reason(Code.CONTRADICTION, said)
