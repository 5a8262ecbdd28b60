"""What a policy looks at: a release's evidence, read once, its signatures checked before. Pure.

Every shape is asked for where it is read: MalformedError says what is not as our build type promises.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from orchestrator.evidence.canonical import MalformedError, member, moment
from orchestrator.evidence.disagreement import Disagreement
from orchestrator.evidence.links import Link
from orchestrator.evidence.statement import Statement
from orchestrator.evidence.terms import (
    FETCHED_KINDS,
    KINDS,
    NAR_SHA256,
    PROVENANCE,
    REPRODUCTION,
    SPDX,
    TARGET_KINDS,
)
from orchestrator.ground.digest import Sha256
from orchestrator.ground.values import dataclass
from orchestrator.nix.storepath import ByContent
from orchestrator.policy.signer import KeySigner, Signer
from orchestrator.policy.validity import Moment
from orchestrator.policy.verdict import Reason
from orchestrator.recipe.purltext import is_purl

if TYPE_CHECKING:
    from orchestrator.ledger.entries import Entry

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")  # git's ids, by SHA-1 and by SHA-256


@dataclass(frozen=True, slots=True)
class Judged:
    """A statement whose signature holds, who signed it, and what else was shown of its signing."""

    file: str
    statement: Statement
    signer: Signer
    time: datetime | None = None
    """A trusted time (RFC 3161, checked) at which the signature was there; the earliest; UTC."""
    logged: bool = False
    """Whether a proof that it is in a transparency log was checked, and held."""
    last: datetime | None = None
    """The latest such time."""
    doubts: tuple[str, ...] = ()
    """Why timestamps that it has prove nothing, one for each such."""


@dataclass(frozen=True, slots=True)
class Denied:
    """Evidence that builders disagreed, whose signature holds. It approves nothing."""

    file: str
    disagreement: Disagreement
    signer: Signer


@dataclass(frozen=True, slots=True)
class Vouched:
    """A builder's link whose signature holds."""

    file: str
    signer: KeySigner
    link: Link
    theirs: bool = False
    """Whether it is a third party's: by a builder that the policy names and the layout does not."""


@dataclass(frozen=True, slots=True)
class SignedBuilds:
    """An exported ledger whose signature holds: docs/predicates/builds.md."""

    file: str
    signer: KeySigner
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Input:
    """A material of the provenance: docs/predicates/build.md."""

    name: str
    kind: str | None
    """None: of what no build used, the recipe and the lock."""
    digests: Mapping[str, str]
    addresses: tuple[str, ...]
    purl: str | None
    path: str | None = None
    """In every builder's store; None where the kind is None."""
    fixed_by: str | None = None
    """By which somebody's own derivation fixes it, as `r:sha512:…`; None: by a digest that is told."""
    by_content: ByContent | None = None
    """What its path follows from; None: its NAR hash."""


@dataclass(frozen=True, slots=True)
class Commit:
    """The commit that recipe and lock are from, as the provenance has it: docs/predicates/build.md."""

    id: str
    address: str | None
    """The repository's, without the commit; None: it is not told."""
    uncommitted: tuple[str, ...]
    """Files that are not as the commit has them."""
    path: str | None = None
    """The recipe's, in the repository; None: it is not told, as for a recipe outside of it."""


@dataclass(frozen=True, slots=True)
class Component:
    """A package of the SBOM (SPDX 2.3, clause 7)."""

    spdx_id: str
    name: str
    licence: str | None
    """As declared; None: it is not known."""
    purls: tuple[str, ...]
    version: str | None = None


@dataclass(frozen=True)
class Evidence:
    """Everything about one artifact that has held so far."""

    artifact: str
    sha256: Sha256
    size: int | None
    """In bytes; None: the artifact is known by its digest alone, and nothing signed tells its size."""
    own: Mapping[str, Judged]
    """The release's statements, by predicate type; those that every release has are there."""
    others: tuple[Judged, ...]
    """Further statements about this artifact, third parties' among them."""
    layout_signer: Signer
    links: tuple[Vouched, ...]
    threshold: int
    """How many builders the layout asks for."""
    now: datetime
    index: Sha256
    """The digest of release.json, which lists every file by digest and follows from what is signed."""
    rebuilds: tuple[Judged, ...] = ()
    """What rebuilders whom the policy names have signed of this artifact."""
    ledgers: tuple[SignedBuilds, ...] = ()
    """Exported ledgers by rebuilders whom the policy names."""
    ledgers_aside: tuple[str, ...] = ()
    """Why others were set aside, each beginning with its file."""
    uncounted: tuple[tuple[str, Reason], ...] = ()
    """Others' statements that do not count and are nowhere else here: the predicate type, and why."""

    @property
    def provenance(self) -> Mapping[str, Any]:
        return self.own[PROVENANCE].statement.predicate

    @property
    def reproduction(self) -> Mapping[str, Any]:
        return self.own[REPRODUCTION].statement.predicate

    @property
    def sbom(self) -> Mapping[str, Any]:
        return self.own[SPDX].statement.predicate

    @property
    def statements(self) -> tuple[Judged, ...]:
        return (*self.own.values(), *self.others)

    @cached_property
    def built(self) -> datetime:
        """When the builds ended, as the provenance claims."""
        details = member(self.provenance, "runDetails", dict, "the provenance")
        metadata = member(details, "metadata", dict, "the provenance")
        return moment(member(metadata, "finishedOn", str, "the provenance"), "the provenance")

    @property
    def covered(self) -> datetime | None:
        """A trusted time at which all that the provenance signs for was there, links and layout too."""
        return self.own[PROVENANCE].time

    def when(self, judged: Judged) -> Moment:
        """What is known of when a statement was signed; our own claim the provenance's time."""
        ours = judged.statement.predicate_type in self.own
        return Moment(self.now, judged.time, self.built if ours else None, judged.last)

    def when_vouched(self, vouched: Vouched) -> Moment:
        """The same of a link. The provenance has ours by digest, so they were there when it was signed."""
        if vouched.theirs:
            return Moment(self.now, None, vouched.link.finished)
        return Moment(self.now, self.covered, vouched.link.finished, self.own[PROVENANCE].last)

    @cached_property
    def inputs(self) -> tuple[Input, ...]:
        """Every material, in the provenance's order; the recipe and the lock, which no build used, too."""
        return inputs_of(self.provenance)

    @property
    def kind(self) -> str | None:
        """What it was made from, in a policy's words; None: a build type that is none of ours."""
        definition = member(self.provenance, "buildDefinition", dict, "the provenance")
        said = member(definition, "buildType", str, "the provenance")
        return next((kind for kind, build_type in TARGET_KINDS.items() if build_type == said), None)

    @cached_property
    def toolchains(self) -> tuple[Mapping[str, Any], ...] | None:
        """What the recipes say that they were made with: docs/predicates/build.md. None: nothing is told."""
        definition = member(self.provenance, "buildDefinition", dict, "the provenance")
        internal = member(definition, "internalParameters", dict, "the provenance")
        if "toolchains" not in internal:
            return None
        found = member(internal, "toolchains", list, "the provenance")
        for each in found:
            member(each, "from", str, "the provenance's toolchain")
        return tuple(found)

    @cached_property
    def commit(self) -> Commit | None:
        """The commit of the repository that holds recipe and lock. None: nothing is told."""
        what = "the provenance's repository"
        definition = member(self.provenance, "buildDefinition", dict, "the provenance")
        external = member(definition, "externalParameters", dict, "the provenance")
        if "repository" not in external:
            return None
        repository = member(external, "repository", dict, what)
        commit = member(member(repository, "digest", dict, what), "gitCommit", str, what)
        if not _COMMIT.fullmatch(commit):  # a branch's name says nothing of bytes
            raise MalformedError(f"{what} has no commit where one should be: {commit[:80]!r}")
        address = None
        if "uri" in repository:
            address, _, of = member(repository, "uri", str, what).rpartition("@")
            if of != commit:
                raise MalformedError(f"{what} is at another commit by its address than by its digest")
        files = member(repository, "uncommitted", list, what)
        path = member(repository, "path", str, what) if "path" in repository else None
        return Commit(commit, address, tuple(map(str, files)), path)

    @cached_property
    def components(self) -> tuple[Component, ...]:
        """Every package of the SBOM."""
        return tuple(_component(each) for each in member(self.sbom, "packages", list, "the SBOM"))

    @cached_property
    def shipped(self) -> frozenset[str]:
        """SPDX ids of what users run: the artifact, what it contains, and what that needs at run time."""
        from orchestrator.evidence.sbom.spdx2_packages import ARTIFACT

        after: dict[str, set[str]] = {}
        for each in member(self.sbom, "relationships", list, "the SBOM"):
            kind = member(each, "relationshipType", str, "the SBOM's relationship")
            element = member(each, "spdxElementId", str, "the SBOM's relationship")
            if kind in ("CONTAINS", "DEPENDS_ON") or (kind == "GENERATED_FROM" and element == ARTIFACT):
                related = member(each, "relatedSpdxElement", str, "the SBOM's relationship")
                after.setdefault(element, set()).add(related)
        found, queue = {ARTIFACT}, [ARTIFACT]
        while queue:
            new = after.get(queue.pop(), set()) - found
            found |= new
            queue += new
        return frozenset(found)


def inputs_of(provenance: Mapping[str, Any]) -> tuple[Input, ...]:
    """The materials in a predicate of provenance. Raises MalformedError, for an unknown kind too."""
    definition = member(provenance, "buildDefinition", dict, "the provenance")
    return tuple(map(_input, member(definition, "resolvedDependencies", list, "the provenance")))


def _input(entry: Any) -> Input:
    what = "a material of the provenance"
    name = member(entry, "name", str, what)
    annotations = member(entry, "annotations", dict, what) if "annotations" in entry else None
    uri = member(entry, "uri", str, what) if "uri" in entry else None
    purl = uri if uri is not None and is_purl(uri) else None
    addresses = [] if uri is None or purl is not None else [uri]
    if "downloadLocation" in entry:
        addresses.append(member(entry, "downloadLocation", str, what))
    mirrors = member(annotations, "mirrors", list, what) if annotations and "mirrors" in annotations else []
    digests = member(entry, "digest", dict, what)
    found = Input(
        name=name,
        kind=None if annotations is None else member(annotations, "kind", str, what),
        digests={algorithm: member(digests, algorithm, str, what) for algorithm in digests},
        addresses=(*addresses, *map(str, mirrors)),
        purl=purl,
        path=None if annotations is None else member(annotations, "storePath", str, what),
        fixed_by=member(annotations, "fixedBy", str, what)
        if annotations and "fixedBy" in annotations
        else None,
        by_content=_by_content(annotations) if annotations and "path" in annotations else None,
    )
    _check_kind(found)
    return found


def _by_content(annotations: dict[str, Any]) -> ByContent:
    what = "a material of the provenance, its path"
    said = member(annotations, "path", dict, what)
    references = member(said, "references", list, what)
    if not all(isinstance(each, str) for each in references):
        raise MalformedError(f"{what} refers to what is no text")
    digest = member(said, "sha256", str, what) if "sha256" in said else None
    return ByContent(member(said, "method", str, what), digest, tuple(references))


def _check_kind(of: Input) -> None:
    """Rules look at a material by its kind. Raises MalformedError for one that cannot be its own."""
    if of.kind is None:
        return
    if of.kind not in KINDS:
        raise MalformedError(f"the material {of.name} is of the kind {of.kind!r}, which no build of ours has")
    if of.kind not in FETCHED_KINDS and (of.addresses or of.purl or set(of.digests) != {NAR_SHA256}):
        raise MalformedError(f"the material {of.name} is of the kind {of.kind!s}, and told of as if fetched")


def _component(entry: object) -> Component:
    what = "a package of the SBOM"
    said = member(entry, "licenseDeclared", str, what)
    references = member(entry, "externalRefs", list, what) if _has(entry, "externalRefs") else []
    return Component(
        spdx_id=member(entry, "SPDXID", str, what),
        name=member(entry, "name", str, what),
        licence=None if said in ("NOASSERTION", "NONE") else said,
        purls=tuple(
            member(each, "referenceLocator", str, what)
            for each in references
            if member(each, "referenceType", str, what).lower() == "purl"
            or is_purl(member(each, "referenceLocator", str, what))
        ),
        version=member(entry, "versionInfo", str, what) if _has(entry, "versionInfo") else None,
    )


def _has(entry: object, name: str) -> bool:
    return isinstance(entry, dict) and name in entry
