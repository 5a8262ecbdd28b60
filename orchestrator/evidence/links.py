"""in-toto links: what each builder used and made, in its own words. Pure.

Specification: https://github.com/in-toto/docs/blob/master/in-toto-spec.md, section 4.4. The link is the
payload of a DSSE envelope (ITE-5); who signs it is signing/gate.py's affair.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from orchestrator.evidence.agreement_record import identity, sandbox
from orchestrator.evidence.canonical import MalformedError, member, moment, read, render
from orchestrator.evidence.terms import STATEMENT, STEP, Kind
from orchestrator.ground.errors import TallyError
from orchestrator.ground.values import dataclass, field

if TYPE_CHECKING:  # who only reads evidence needs nothing of how it is made
    from orchestrator.builders.build import BuiltPath, Report
    from orchestrator.evidence.facts import ReleaseFacts, ReleaseFile
    from orchestrator.evidence.materials import Material

_TEXT = frozenset({str})
Digests = Mapping[str, Mapping[str, str]]
"""Name to digest set, as links hold their materials and products."""


Times = Mapping[str, tuple[datetime, datetime]]
"""Derivation path to when its build began and ended, UTC."""


@dataclass(frozen=True, slots=True)
class Link:
    """One builder's link."""

    materials: Digests
    products: Digests
    identity: Mapping[str, Any]
    """Who the builder is, as observed on it: docs/predicates/reproduction.md."""
    builder: str
    payload: bytes
    """The link as JSON: signed, and read back, as these bytes alone."""
    sandbox: Mapping[str, Any]
    """What a probe saw from inside its sandbox (docs/predicates/links.md); empty: nothing is told."""
    finished: datetime | None
    """When its last build ended, as it claims; UTC."""
    command: tuple[str, ...] = ()
    """What made the package, by its derivation; empty: the link does not tell."""
    derivations: tuple[str, ...] = ()
    """`.drv` paths of what its builder built, the package's among them."""
    believed: Mapping[str, Any] = field(default_factory=dict)
    """By whose signature materials are believed, as evidence/beliefs.py reads it; empty: nothing is told."""
    converged: Digests = field(default_factory=dict)
    """What this builder made of inputs of which others made something else, by store path."""


def link_of(
    report: Report, facts: ReleaseFacts, materials: Sequence[Material], record: Sequence[ReleaseFile]
) -> Link:
    """The link of one builder, from its own report; `record` is that builder's build.json and log.

    Raises TallyError when the report lacks what the link must say.
    """
    from orchestrator.evidence import beliefs
    from orchestrator.evidence.canonical import seconds
    from orchestrator.evidence.commands import package_command
    from orchestrator.evidence.materials import digest_set

    name = report.identity.name
    if report.sandbox is None:
        raise TallyError(f"builder {name} has not shown that its sandbox holds, so nothing of its is signed")
    used = {material.path: _used(report, material) for material in materials}
    made: dict[str, dict[str, str]] = {facts.artifact.file_name: {"sha256": facts.artifact.sha256.hex}}
    for derivation, outputs in facts.agreed.outputs.items():
        for output in outputs:
            built = _made(report, derivation, output)
            made[built.path] = digest_set(built.nar_hash)
    believed = beliefs.told(materials)
    unlike = (report.inputs.get(each.path) for each in facts.agreed.converged)
    converged = {built.path: digest_set(built.nar_hash) for built in unlike if built is not None}
    document = {
        "_type": "link",
        "name": STEP,
        "command": package_command(facts),
        "materials": used,
        "products": made,
        "byproducts": {
            "derivation": facts.artifact_derivation,
            "builds": {
                path: {"started": seconds(build.started), "finished": seconds(build.finished)}
                for path, build in report.builds.items()
                if path in facts.agreed.outputs
            },
            "files": {file.path: {"sha256": file.sha256.hex} for file in record},
            **({"believed": believed} if believed else {}),
            **({"converged": converged} if converged else {}),
        },
        "environment": {"builder": identity(report.identity), "sandbox": sandbox(report.sandbox)},
    }
    payload = render(document)
    return parse(payload, f"the link of builder {name}")


def parse(payload: bytes, what: str) -> Link:
    """Read a link back from signed bytes. Raises MalformedError."""
    document = read(payload, what)
    if member(document, "_type", str, what) != "link" or member(document, "name", str, what) != STEP:
        raise MalformedError(f"{what} is not a link of the step {STEP!r}")
    environment = member(document, "environment", dict, what)
    builder = member(environment, "builder", dict, f"{what}, environment")
    return Link(
        materials=_digests(document, "materials", what),
        products=_digests(document, "products", what),
        identity=builder,
        builder=member(builder, "name", str, f"{what}, builder"),
        payload=payload,
        sandbox=member(environment, "sandbox", dict, what) if "sandbox" in environment else {},
        finished=_finished(document, what),
        command=command_in(document, what),
        derivations=derivations_in(document, what),
        believed=believed_in(document, what),
        converged=_converged(document, what),
    )


def derivations_in(document: dict[str, Any], what: str) -> tuple[str, ...]:
    """The `.drv` paths of what a link's builder built. Raises MalformedError."""
    byproducts = member(document, "byproducts", dict, what)
    return tuple(member(byproducts, "builds", dict, what)) if "builds" in byproducts else ()


def times_in(payload: bytes, what: str) -> Times:
    """When a link has its builds begin and end, also one in a disagreement. Raises MalformedError."""
    document = read(payload, what)
    of = member(document, "predicate", dict, what) if document.get("_type") == STATEMENT else document
    byproducts = member(of, "byproducts", dict, what)
    builds = member(byproducts, "builds", dict, what) if "builds" in byproducts else {}
    return {
        path: (
            moment(member(each, "started", str, what), what),
            moment(member(each, "finished", str, what), what),
        )
        for path, each in builds.items()
    }


def artifact_derivation(link: Link) -> str:
    """The derivation that a release's link has for the artifact's; empty: it tells none."""
    found = member(read(link.payload, "the link"), "byproducts", dict, "the link").get("derivation")
    return found if isinstance(found, str) else ""


def command_in(document: dict[str, Any], what: str) -> tuple[str, ...]:
    """A link's command; empty where it tells none. Raises MalformedError."""
    found = member(document, "command", list, what) if "command" in document else []
    if not _TEXT.issuperset(map(type, found)):
        raise MalformedError(f"{what} has a command that is no list of texts")
    return tuple(found)


def believed_in(document: dict[str, Any], what: str) -> Mapping[str, Any]:
    """What a link says of believed materials, by store path; empty: nothing. Raises MalformedError."""
    byproducts = member(document, "byproducts", dict, what)
    return member(byproducts, "believed", dict, what) if "believed" in byproducts else {}


def _converged(document: dict[str, Any], what: str) -> Digests:
    byproducts = member(document, "byproducts", dict, what)
    return _digests(byproducts, "converged", what) if "converged" in byproducts else {}


def _finished(document: dict[str, Any], what: str) -> datetime | None:
    byproducts = member(document, "byproducts", dict, what)
    builds = member(byproducts, "builds", dict, what) if "builds" in byproducts else {}
    times = [moment(member(each, "finished", str, what), what) for each in builds.values()]
    return max(times, default=None)


def _digests(document: dict[str, Any], name: str, what: str) -> Digests:
    found = member(document, name, dict, what)
    for key, digests in found.items():
        if not isinstance(digests, dict) or not _TEXT.issuperset(map(type, digests.values())):
            raise MalformedError(f"{what} has no digests for {key!r}")
    return found


def _used(report: Report, material: Material) -> dict[str, str]:
    """A material as this builder saw it: what it built by its own hash, the rest by the digest it took."""
    from orchestrator.evidence.materials import digest_set

    if material.kind is not Kind.BUILT:
        return material.digest_set
    built = report.inputs.get(material.path)
    if built is None:
        raise TallyError(
            f"builder {report.identity.name} did not report the hash of {material.path}, which it built"
        )
    return digest_set(built.nar_hash)


def _made(report: Report, derivation: str, output: str) -> BuiltPath:
    build = report.builds.get(derivation)
    if build is None or output not in build.outputs:
        raise TallyError(f"builder {report.identity.name} did not build output {output} of {derivation}")
    return build.outputs[output]
