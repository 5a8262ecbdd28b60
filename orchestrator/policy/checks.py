"""The checks behind a verdict, each a pure function from evidence to the reasons against it; none: it holds.

They are handed what was read and hashed from the release's own bytes, with signatures already checked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from orchestrator.evidence import agreement_record
from orchestrator.evidence.canonical import MalformedError, holds, member
from orchestrator.evidence.definition import dependencies_of
from orchestrator.evidence.denial import denial
from orchestrator.evidence.layout import Layout
from orchestrator.evidence.links import Digests, Link
from orchestrator.evidence.oci import manifest_name
from orchestrator.evidence.statement import Statement, nar_name
from orchestrator.evidence.surroundings import varied
from orchestrator.evidence.terms import (
    BUILD_TYPES,
    BUNDLES,
    CYCLONEDX,
    NAR_SHA256,
    PROVENANCE,
    REPOSITORY,
    REPRODUCIBLE,
    REPRODUCTION,
    SBOMS,
    SPDX,
    SPDX3,
)
from orchestrator.ground.digest import NarHash, Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.wording import counted
from orchestrator.policy.evidence import Denied, Input
from orchestrator.policy.verdict import Code, Reason

Measured = Mapping[str, tuple[Sha256, int]]
"""Path in the release to the sha256 and the size of its bytes."""

REQUIRED = {PROVENANCE: "provenance", REPRODUCTION: "reproduction", SPDX: "SBOM"}
"""The statements that every release has; what they are called in sentences."""
FURTHER = {SPDX3: "SPDX 3.0.1", CYCLONEDX: "CycloneDX"}
"""Those that a release has since there are three forms of its SBOM."""
LEAST_QUORUM = 2
"""Fewer than two builders have nobody to agree with, whatever a layout asks for."""


def digests(listed: Measured, found: Measured) -> Iterator[Reason]:
    """Every listed file has the bytes that the index lists."""
    for name, (sha256, size) in listed.items():
        if name in found and found[name] != (sha256, size):
            yield Reason(
                Code.DIGEST_MISMATCH,
                f"{name} is {found[name][0]} ({counted(found[name][1], 'byte')}), "
                f"not {sha256} ({counted(size, 'byte')})",
            )


def required(statements: Mapping[str, Statement]) -> Iterator[Reason]:
    """Every statement that a release has is there, once. `statements` is file name to statement."""
    types = [statement.predicate_type for statement in statements.values()]
    for predicate_type, name in (REQUIRED | FURTHER).items():
        if predicate_type not in types:
            if predicate_type in FURTHER and BUNDLES[predicate_type] not in statements:
                continue
            yield Reason(Code.STATEMENT_MISSING, f"there is no signed {name} statement ({predicate_type})")
        elif types.count(predicate_type) > 1:
            yield Reason(Code.CONTRADICTION, f"there are {types.count(predicate_type)} {name} statements")
        elif (there := statements.get(BUNDLES[predicate_type])) is None or (
            there.predicate_type != predicate_type
        ):
            yield Reason(Code.CONTRADICTION, f"{BUNDLES[predicate_type]} does not hold the {name} statement")


_SMALL = 4096  # bytes


def subjects(statements: Mapping[str, Statement], artifact: str, sha256: Sha256) -> Iterator[Reason]:
    """Every statement is about the artifact, by the digest of its bytes (in-toto Statement v1, `subject`)."""
    first: tuple[str, Mapping[str, str]] | None = None
    for name, statement in statements.items():
        said = statement.subjects.get(artifact)
        if said is None:
            yield Reason(Code.SUBJECT_MISMATCH, f"{name} is not about {artifact}")
        elif said != sha256.hex:
            yield Reason(Code.SUBJECT_MISMATCH, f"{name} is about a file with sha256:{said}, not {sha256}")
        elif first is not None and dict(statement.subjects) != dict(first[1]):
            yield Reason(Code.CONTRADICTION, f"{name} and {first[0]} are about different outputs")
        first = first or (name, statement.subjects)


def manifest(statement: Statement, artifact: str, found: Sha256 | None) -> Iterator[Reason]:
    """The manifest that a statement is about is the one that the artifact has in any registry.

    `found` is its digest; None: that cannot be known here.
    """
    said = statement.subjects[manifest_name(artifact)]
    if found is not None and said != found.hex:
        why = f"the statements are about the manifest sha256:{said}, and {artifact} has {found} in a registry"
        yield Reason(Code.CONTRADICTION, why)


def sboms(signed: Mapping[str, Statement], files: Mapping[str, bytes]) -> Iterator[Reason]:
    """Each SBOM file holds the document that was signed; its bytes are the provenance's affair (`coverage`).

    `signed` is predicate type to statement, `files` are those in `sbom/`.
    """
    lacking = {kind for kind in SBOMS if kind in signed}
    for name, data in files.items():
        kind = next((kind for kind, suffix in SBOMS.items() if name.endswith(suffix)), SPDX)
        statement = signed.get(kind)
        if statement is None:
            yield Reason(Code.SBOM_MISMATCH, f"no statement with {name} was signed")
            continue
        lacking.discard(kind)
        # larger than the same document on as many lines as files for people have: it is not even parsed
        other = len(data) > 4 * len(statement.payload) + _SMALL
        if other or not holds(data, statement.predicate, name, statement.payload):
            yield Reason(Code.SBOM_MISMATCH, f"{name} is not the document that was signed")
    if not files:
        yield Reason(Code.FILE_MISSING, "the release has no SBOM file")
        return
    for kind in sorted(lacking):
        yield Reason(Code.FILE_MISSING, f"the release has no file sbom/…{SBOMS[kind]}, which was signed")


def quorum(layout: Layout, links: Sequence[Link], now: datetime) -> Iterator[Reason]:
    """Enough builders, each with a key of its own (in-toto specification, sections 4.3.1 and 5.2).

    `links` are those whose signature is by a key that the layout names, one a key.
    """
    if layout.expires <= now:
        yield Reason(Code.LAYOUT_EXPIRED, f"the layout ended on {layout.expires:%Y-%m-%d}")
    needed = max(LEAST_QUORUM, layout.threshold)
    if len(links) < needed:
        yield Reason(
            Code.QUORUM_NOT_MET, f"{counted(len(links), 'builder')} signed a link where {needed} must agree"
        )
    if len({link.builder for link in links}) != len(links):
        yield Reason(Code.CONTRADICTION, "two links are from a builder of the same name")


def agreement(layout: Layout, links: Sequence[Link], artifact: str, sha256: Sha256) -> Iterator[Reason]:
    """The links agree with one another, and on the artifact (in-toto specification, section 4.3.3)."""
    if layout.artifact != artifact:
        yield Reason(Code.CONTRADICTION, f"the layout is about {layout.artifact}, not {artifact}")
    for link in links[1:]:
        for kind, ours, theirs in (
            ("used", links[0].materials, link.materials),
            ("made", links[0].products, link.products),
        ):
            if (other := _difference(ours, theirs)) is not None:
                told = f"builders {links[0].builder} and {link.builder} {kind} another {other}"
                if link.builder == links[0].builder:
                    told = (
                        f"builder {link.builder} signed two links, by one of which it {kind} another {other}"
                    )
                yield Reason(Code.BUILDERS_DISAGREE, told)
    for link in links:
        if dict(link.products.get(artifact, {})) != {"sha256": sha256.hex}:
            yield Reason(Code.SUBJECT_MISMATCH, f"builder {link.builder} made another {artifact}")


def paths(links: Sequence[Link]) -> frozenset[str]:
    """The store paths that builders made and used."""
    return frozenset(path for link in links for path in (*link.products, *link.materials))


def refuted(denials: Sequence[Denied], made: Collection[str], index: Sha256) -> Iterator[Reason]:
    """Nobody who is trusted states that builders disagreed on one of these store paths.

    Nor that a rebuilder's builders made something else of one than the release whose release.json has the
    digest `index`: of another release that says nothing, also where it has the same paths.
    """
    for each in denials:
        release = each.disagreement.release
        if release not in (None, index):
            continue
        for path in sorted(each.disagreement.paths.intersection(made)):
            who = " and ".join(each.disagreement.builders)
            what = (
                "made different things" if release is None else "agree on something else than the release has"
            )
            said = f"{each.file} is signed evidence that the builders {who} {what} of {path}"
            yield Reason(Code.BUILDERS_DISAGREE, said)


def denied(statements: Mapping[str, Statement]) -> Iterator[Reason]:
    """No statement about the artifact says no. `statements` is file name to statement."""
    for name, statement in statements.items():
        if (found := denied_by(name, statement.predicate_type, statement.predicate)) is not None:
            yield found


def denied_by(name: str, predicate_type: str, predicate: object) -> Reason | None:
    """What a statement, of whatever type, says against what it is about; `name` is its file's."""
    if (against := denial(predicate_type, predicate)) is None:
        return None
    code = Code.BUILDERS_DISAGREE if against.of_builders else Code.DENIED
    return Reason(code, f"{name} {against.told}")


def products(link: Link, provenance: Statement, artifact: str, inputs: Sequence[Input]) -> Iterator[Reason]:
    """The provenance is about what the builders made, and rests on what they used."""
    made = {
        nar_name(path): values.get(NAR_SHA256) for path, values in link.products.items() if path != artifact
    }
    beside = (artifact, manifest_name(artifact))
    said = {name: value for name, value in provenance.subjects.items() if name not in beside}
    if made != said:
        yield Reason(Code.CONTRADICTION, "the provenance is about other outputs than the builders' links")
    build = _build(provenance)
    if (kind := member(build, "buildType", str, "the provenance")) not in BUILD_TYPES:
        raise TallyError(
            f"the provenance is of the build type {kind[:80]!r}, whose fields this tally does not know",
            hint="verify it with the version that made it, or with a later one",
        )
    told = [each for each in inputs if each.path is not None]
    stored = {str(each.path): each.digests for each in told}
    if len(stored) != len(told) or _difference(stored, link.materials) is not None:
        yield Reason(Code.CONTRADICTION, "the provenance lists other materials than the builders' links")


def parameters(provenance: Statement) -> Iterator[Reason]:
    """Recipe, lock and the repository's commit, or what else was evaluated, are what the dependencies list.

    Releases of earlier versions tell of no commit in either place.
    """
    build = _build(provenance)
    external = member(build, "externalParameters", dict, "the provenance")
    wanted = {name: external[name] for name in ("recipe", "lock") if name in external}
    if "repository" in external:
        repository = member(external, "repository", dict, "the provenance")
        wanted[REPOSITORY] = {key: repository[key] for key in ("digest", "uri") if key in repository}
        wanted[REPOSITORY]["name"] = REPOSITORY
    dependencies = member(build, "resolvedDependencies", list, "the provenance")
    told = [each for each in dependencies if not (isinstance(each, dict) and "annotations" in each)]
    if told == [*wanted.values(), *(evaluated := dependencies_of(external))]:
        return
    wanted |= {str(each.get("name")): each for each in evaluated}
    differing = [name for name, each in wanted.items() if each not in told] or ["recipe, lock or repository"]
    said = f"the provenance's parameters and its resolvedDependencies name another {' and '.join(differing)}"
    yield Reason(Code.CONTRADICTION, said)


def agreed(reproduction: Statement) -> dict[str, Any]:
    """What was agreed on, with `outputs`. Raises MalformedError."""
    found = _agreements(reproduction)[0]
    member(found, "outputs", dict, "the agreement")
    return found


def agreed_artifact(provenance: Statement, reproduction: Statement) -> frozenset[str]:
    """The NAR hashes (hexadecimal) that were agreed on for the artifact's derivation."""
    artifact = member(_build(provenance), "internalParameters", dict, "the provenance").get("artifact")
    derivation = member(artifact, "derivation", str, "the provenance's artifact")
    outputs = member(_agreements(reproduction)[0], "outputs", dict, "the agreement")
    made = member(outputs, derivation, dict, "the agreement's outputs")
    return frozenset(member(output, NAR_SHA256, str, "an agreed output") for output in made.values())


def nar_of_artifact(agreed: frozenset[str], found: NarHash) -> Iterator[Reason]:
    """The artifact's bytes are the store object that the builders made."""
    if found.hex not in agreed:
        yield Reason(
            Code.SUBJECT_MISMATCH, "the artifact is not the store object that the builders agreed on"
        )


def independence(links: Sequence[Link], layout: Layout) -> str:
    """How independent the builders were, by what was observed on each."""
    return agreement_record.independence([link.identity for link in links], layout.threshold)


def dissent(reproduction: Statement) -> tuple[str, ...]:
    """The builders that made something else, as the agreement records them. Raises MalformedError."""
    what = "the agreement's dissent"
    recorded = _agreements(reproduction)[0].get("dissent", [])
    if not isinstance(recorded, list):
        raise MalformedError(f"{what} is not a list")
    return tuple(member(member(each, "builder", dict, what), "name", str, what) for each in recorded)


def reproduction(
    statement: Statement, links: Mapping[str, Link], layout: Layout, found: Measured
) -> Iterator[Reason]:
    """The claim of reproduction rests on these links and says of their builders what they say.

    `links` is file name to link.
    """
    shown: dict[str, Any] = {}
    seen: list[dict[str, Any]] = []
    what = "the reproduction statement"
    target = {"name": layout.artifact, "digest": {"sha256": found[layout.artifact][0].hex}}
    for each in member(statement.predicate, "attributes", list, what):
        if member(each, "attribute", str, what) != REPRODUCIBLE:
            raise MalformedError(f"{what} asserts something else than {REPRODUCIBLE}")
        evidence, conditions = member(each, "evidence", dict, what), member(each, "conditions", dict, what)
        name = member(evidence, "name", str, what)
        shown[name] = evidence.get("digest")
        if each.get("target") != target:
            yield Reason(Code.SUBJECT_MISMATCH, f"{what} is about another artifact")
        if "surroundings" in conditions:
            seen.append(member(conditions, "surroundings", dict, what))
        if name in links and conditions.get("builder") != dict(links[name].identity):
            yield Reason(Code.CONTRADICTION, f"{what} says other things of the builder of {name}")
    agreed = _agreements(statement)[0]
    if shown != {name: {"sha256": found[name][0].hex} for name in links}:
        yield Reason(
            Code.CONTRADICTION, "the reproduction statement rests on other links than those in the release"
        )
    if sorted(link.builder for link in links.values()) != sorted(
        map(str, member(agreed, "builders", list, what))
    ):
        yield Reason(Code.CONTRADICTION, "the reproduction statement names other builders than the links")
    if member(agreed, "independence", str, what) != independence(list(links.values()), layout):
        yield Reason(
            Code.CONTRADICTION, "the builders' machines are not as independent as the statement says"
        )
    if agreed.get("varied", []) != list(varied(seen)):
        yield Reason(Code.CONTRADICTION, "the builds' surroundings did not differ as the statement says")


def coverage(
    provenance: Statement, artifact: str, bundles: frozenset[str], found: Measured
) -> Iterator[Reason]:
    """Every listed file is signed for: artifact as subject, a bundle by itself, others as byproducts."""
    details = member(provenance.predicate, "runDetails", dict, "the provenance")
    signed: dict[str, Any] = {}
    for each in member(details, "byproducts", list, "the provenance"):
        name = member(each, "name", str, "a byproduct")
        signed[name] = each.get("digest")
    for name, digest in signed.items():
        if name not in found:
            yield Reason(Code.FILE_MISSING, f"{name} is signed for and not in the release")
        elif digest != {"sha256": found[name][0].hex}:
            yield Reason(
                Code.DIGEST_MISMATCH, f"{name} is {found[name][0]}, not what was signed for: {digest}"
            )
    for name in sorted(set(found) - set(signed) - bundles - {artifact}):
        yield Reason(Code.NOT_COVERED, f"{name} is listed, and nothing that is signed speaks for it")


def index(data: bytes, expected: bytes) -> Iterator[Reason]:
    """The index is the one that follows from the statements and the files, byte for byte."""
    if data != expected:
        yield Reason(
            Code.INDEX_MISMATCH, "release.json does not say what the signed evidence and the files say"
        )


def _build(provenance: Statement) -> dict[str, Any]:
    return member(provenance.predicate, "buildDefinition", dict, "the provenance")


def _agreements(reproduction: Statement) -> list[dict[str, Any]]:
    """What each assertion says of the agreement. Raises MalformedError when there is none."""
    what = "the reproduction statement"
    attributes = member(reproduction.predicate, "attributes", list, what)
    if not attributes:
        raise MalformedError(f"{what} asserts nothing")
    conditions = [member(each, "conditions", dict, what) for each in attributes]
    return [member(each, "agreement", dict, what) for each in conditions]


def _difference(ours: Digests, theirs: Digests) -> str | None:
    """The first name whose digests differ, or that only one has."""
    if ours == theirs:
        return None
    for name in sorted(set(ours) | set(theirs)):
        if ours.get(name) != theirs.get(name):
            return name
    return None
