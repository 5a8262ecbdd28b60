"""The claim that builders did not make the same bytes: a SCAI v0.3 attribute report, and their links. Pure.

Specification: https://github.com/in-toto/attestation/blob/main/spec/predicates/scai.md and link.md.
Our attribute, field by field, and why its subjects are what they are: docs/predicates/disagreement.md.

An approval is about files by their `sha256`. Nothing that a builder made is named so here: a client that
looks for a file's `sha256` finds derivations, and never something that could be deployed. What builders made
is in the predicate: sigstore-python reads no subject whose digest is a NAR's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from orchestrator.evidence.agreement_record import identity, independence, sandbox
from orchestrator.evidence.canonical import MalformedError, member, read, render
from orchestrator.evidence.links import Link, believed_in, command_in, derivations_in
from orchestrator.evidence.rebuilt import Rebuilt, rebuilt_in
from orchestrator.evidence.statement import nar_name
from orchestrator.evidence.surroundings import surroundings, varied
from orchestrator.evidence.terms import (
    DISAGREEMENT_STEP,
    IN_TOTO_PAYLOAD,
    LINK,
    NAR_SHA256,
    NOT_REPRODUCED,
    ORCHESTRATOR,
    REPRODUCTION,
    STATEMENT,
)
from orchestrator.ground.digest import Sha256
from orchestrator.ground.values import dataclass

if TYPE_CHECKING:  # who only reads evidence needs nothing of how it is made
    from orchestrator.agreement.agreement import DifferingOutput, Disagreed
    from orchestrator.agreement.independence import Level
    from orchestrator.builders.build import BuiltPath, Report
    from orchestrator.evidence.facts import ReleaseFile

_STORE = "/nix/store/"


@dataclass(frozen=True, slots=True)
class Observed:
    """What evidence of a disagreement is made from."""

    target: str
    """What the user asked for: a recipe's name."""
    disagreed: Disagreed
    derivations: Mapping[str, Sha256]
    """`.drv` path of every differing output's derivation to the digest of its file."""
    quorum: int
    vote: Level
    """What made a vote when the quorum was counted."""
    command: tuple[str, ...] = ()
    """What makes the target's package, by its derivation: builder executable and arguments."""
    culprits: Sequence[Mapping[str, Any]] | None = None
    """Why they disagree, with what proves it, as a diagnosis has it; None: that was not looked for."""


@dataclass(frozen=True, slots=True)
class Disagreement:
    """What a signed disagreement says, read back."""

    paths: frozenset[str]
    """The store paths that builders made differently."""
    builders: tuple[str, ...]
    release: Sha256 | None = None
    """The digest of the release.json of the release that they made again, and that has something else. None:
    they disagreed with one another."""


def stored(report: Report, output: DifferingOutput) -> BuiltPath | None:
    """What a builder's store holds of a differing output; None: it has not built it."""
    build = report.builds.get(output.derivation)
    return build.outputs.get(output.output) if build else report.inputs.get(output.path)


def link_of(report: Report, observed: Observed) -> bytes:
    """One builder's link as the payload of an envelope: what it made of the outputs that differ.

    It is a statement, where the links of a release are not: no verifier of layouts takes it for one of those.
    """
    from orchestrator.agreement.culprits import earlier
    from orchestrator.evidence.canonical import seconds

    name = report.identity.name
    differing = observed.disagreed.differing
    made = {output.path: built for output in differing if (built := stored(report, output)) is not None}
    second = {
        output.path: {NAR_SHA256: output.hashes[name].hex}
        for output in differing
        if earlier(name) in output.hashes
    }
    byproducts: dict[str, Any] = {
        "builds": {
            path: {"started": seconds(build.started), "finished": seconds(build.finished)}
            for path, build in sorted(report.builds.items())
        }
    }
    if second:
        byproducts["secondResults"] = second
    environment: dict[str, Any] = {"builder": identity(report.identity)}
    if report.sandbox is not None:
        environment["sandbox"] = sandbox(report.sandbox)
    return _statement(
        [_subject(nar_name(path), NAR_SHA256, built.nar_hash.hex) for path, built in sorted(made.items())],
        LINK,
        {
            "name": DISAGREEMENT_STEP,
            "command": list(observed.command),
            "materials": [
                {"name": path, "digest": {NAR_SHA256: built.nar_hash.hex}}
                for path, built in sorted(report.inputs.items())
                if path not in made
            ],
            "byproducts": byproducts,
            "environment": environment,
        },
    )


def disagreement(
    observed: Observed, links: Mapping[str, ReleaseFile], rebuilt: Rebuilt | None = None
) -> bytes:
    """The statement as the payload of an envelope: one assertion per builder, its link as the evidence.

    `links` is builder name to its signed link; `rebuilt` the release that builders made again, where they
    agree with one another and not with that. Raises KeyError when a builder or a derivation has none.
    """
    disagreed = observed.disagreed
    derivations = dict.fromkeys(output.derivation for output in disagreed.differing)
    subjects = [
        _subject(path.removeprefix(_STORE), "sha256", observed.derivations[path].hex) for path in derivations
    ]
    record = _record(observed)
    attributes = []
    for report in disagreed.reports:
        link = links[report.identity.name]
        conditions: dict[str, Any] = {"builder": identity(report.identity), "disagreement": record}
        if report.surroundings is not None:
            conditions["surroundings"] = surroundings(report.surroundings)
        if rebuilt is not None:
            conditions["rebuild"] = rebuilt.document()
        attributes.append(
            {
                "attribute": NOT_REPRODUCED,
                "conditions": conditions,
                "evidence": {
                    "name": link.path,
                    "digest": {"sha256": link.sha256.hex},
                    "mediaType": IN_TOTO_PAYLOAD,
                },
            }
        )
    return _statement(subjects, REPRODUCTION, {"attributes": attributes, "producer": {"uri": ORCHESTRATOR}})


def parse(payload: bytes, what: str) -> Disagreement | None:
    """What a signed statement says of a disagreement; None: it is about something else.

    One assertion of that attribute is enough, whatever stands beside it. Raises MalformedError.
    """
    if NOT_REPRODUCED.encode() not in payload:
        return None  # most statements, and some are large
    document = read(payload, what)
    if not isinstance(document, dict) or document.get("predicateType") != REPRODUCTION:
        return None
    predicate = member(document, "predicate", dict, what)
    asserted = [
        each
        for each in member(predicate, "attributes", list, what)
        if isinstance(each, dict) and each.get("attribute") == NOT_REPRODUCED
    ]
    if not asserted:
        return None
    paths: set[str] = set()
    builders = []
    for each in asserted:
        conditions = member(each, "conditions", dict, what)
        builders.append(member(member(conditions, "builder", dict, what), "name", str, what))
        for made in member(member(conditions, "disagreement", dict, what), "outputs", dict, what).values():
            if not isinstance(made, dict):
                raise MalformedError(f"{what} has outputs that are none")
            paths.update(member(output, "path", str, what) for output in made.values())
    rebuilt = rebuilt_in({"attributes": asserted}, what)
    return Disagreement(frozenset(paths), tuple(builders), rebuilt.index if rebuilt is not None else None)


def parse_link(payload: bytes, what: str) -> Link | None:
    """A builder's link in a disagreement; None: it is something else. Raises MalformedError."""
    document = read(payload, what)
    if not isinstance(document, dict) or document.get("_type") != STATEMENT:
        return None
    predicate = member(document, "predicate", dict, what)
    if document.get("predicateType") != LINK or predicate.get("name") != DISAGREEMENT_STEP:
        raise MalformedError(f"{what} is not a link of the step {DISAGREEMENT_STEP!r}")
    environment = member(predicate, "environment", dict, what)
    builder = member(environment, "builder", dict, what)
    return Link(
        materials=_products(member(predicate, "materials", list, what), what, ""),
        products=_products(member(document, "subject", list, what), what, ".nar"),
        identity=builder,
        builder=member(builder, "name", str, what),
        payload=payload,
        sandbox=member(environment, "sandbox", dict, what) if "sandbox" in environment else {},
        finished=None,
        command=command_in(predicate, what),
        derivations=derivations_in(predicate, what),
        believed=believed_in(predicate, what),
    )


def _products(descriptors: list[Any], what: str, suffix: str) -> Mapping[str, Mapping[str, str]]:
    """Store path to digest set; nothing but NAR hashes may stand there."""
    found = {}
    for each in descriptors:
        name, digests = member(each, "name", str, what), member(each, "digest", dict, what)
        if set(digests) != {NAR_SHA256} or not name.endswith(suffix):
            raise MalformedError(f"{what} names {name!r} by something else than its NAR")
        path = _STORE + name.removeprefix(_STORE).removesuffix(suffix)
        found[path] = {NAR_SHA256: member(digests, NAR_SHA256, str, what)}
    return found


def _record(observed: Observed) -> dict[str, Any]:
    """The disagreement, the same in every assertion."""
    from orchestrator.agreement.culprits import earlier

    disagreed = observed.disagreed
    outputs: dict[str, dict[str, Any]] = {}
    for output in disagreed.differing:
        made: dict[str, Any] = {side: {NAR_SHA256: digest.hex} for side, digest in output.hashes.items()}
        for report in disagreed.reports:
            name = report.identity.name
            if (built := stored(report, output)) is not None:
                side = earlier(name) if earlier(name) in made else name
                made[side]["references"] = list(built.references)
        outputs.setdefault(output.derivation, {})[output.output] = {
            "path": output.path,
            "inherited": output.inherited,
            "made": made,
        }
    identities = [identity(report.identity) for report in disagreed.reports]
    shown = [surroundings(each.surroundings) for each in disagreed.reports if each.surroundings]
    more = {} if observed.culprits is None else {"culprits": list(observed.culprits)}
    return {
        "target": observed.target,
        "builders": [report.identity.name for report in disagreed.reports],
        "quorum": observed.quorum,
        "vote": observed.vote,
        "independence": independence(identities, observed.quorum),
        "varied": list(varied(shown)),
        "rootCauses": list(disagreed.root_causes),
        "outputs": outputs,
        **more,
    }


def _subject(name: str, algorithm: str, digest: str) -> dict[str, Any]:
    return {"name": name, "digest": {algorithm: digest}}


def _statement(subjects: list[dict[str, Any]], kind: str, predicate: Mapping[str, Any]) -> bytes:
    return render({"_type": STATEMENT, "subject": subjects, "predicateType": kind, "predicate": predicate})
