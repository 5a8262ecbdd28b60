"""The story of an OCI index that is verified: which images it names, and whose releases these have to be.

The index and what is attached to it are fetched; each image is then verified as any published release, and
has to be of the release that somebody whom the policy trusts with provenances has signed for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from orchestrator.bundles.opening import open_statement
from orchestrator.evidence.canonical import MalformedError
from orchestrator.evidence.terms import PROVENANCE
from orchestrator.ground.digest import Sha256
from orchestrator.ground.download import Downloader
from orchestrator.ground.values import dataclass, replace
from orchestrator.log.trusted_root import TrustedRoot
from orchestrator.policy.evidence import Denied
from orchestrator.policy.policy import Policy
from orchestrator.policy.validity import Moment
from orchestrator.policy.verdict import Code, Failed, Reason, Refused, Verdict
from orchestrator.publishing.imageindex import Entry, Released, entries_of, read, together
from orchestrator.publishing.manners import MANNERS
from orchestrator.publishing.reference import Registry
from orchestrator.publishing.registry.indexing import statements
from orchestrator.publishing.registry.manifests import IMAGE_INDEX
from orchestrator.publishing.registry.repository import Repository
from orchestrator.stories.verification import public_key


@dataclass(frozen=True, slots=True)
class Image:
    """One image that an index names, and whose release it has to be."""

    reference: Registry
    """By the manifest's digest."""
    releases: frozenset[Released]
    index: Registry
    entry: Entry

    def __str__(self) -> str:
        return f"{self.reference} ({self.entry.shown} of {self.index})"

    def judged(self, verdict: Verdict, release: Sha256 | None) -> Verdict:
        """The verdict on its release, whose release.json has this digest: a no where it is another one."""
        if isinstance(verdict, Failed) or release in {each.digest for each in self.releases}:
            return verdict
        named = ", ".join(sorted(f"{each.name} ({each.digest})" for each in self.releases))
        said = f"{self.index} is signed to name {named} for {self.entry.shown}, where {release} is"
        return Failed((Reason(Code.SUBJECT_MISMATCH, said),))


@dataclass(frozen=True, slots=True)
class RefusedIndex:
    """An index of which no image is looked at."""

    index: Registry
    verdict: Failed

    def __str__(self) -> str:
        return str(self.index)


def images_of(
    index: Registry, policy: Policy, now: datetime, trusted: TrustedRoot | None
) -> tuple[Image, ...] | RefusedIndex | None:
    """The images of an index; None: the reference names no index.

    It is refused where it names something that nobody whom the policy trusts has signed for it. Raises
    TallyError where it cannot be asked.
    """
    try:
        return _images(index, policy, now, trusted)
    except Refused as refused:
        return RefusedIndex(index, Failed(tuple(refused.reasons)))


def _images(
    index: Registry, policy: Policy, now: datetime, trusted: TrustedRoot | None
) -> tuple[Image, ...] | None:
    repository = Repository(index, Downloader(manners=MANNERS))
    found = repository.manifest(str(index.digest or index.tag))
    if found is None or found.media_type != IMAGE_INDEX:
        return None
    try:
        entries = entries_of(found.document("the index"))
    except MalformedError as error:
        raise Refused(Reason(Code.MALFORMED, f"{index}: {error}")) from error
    root = trusted or policy.root or TrustedRoot()
    against: list[Reason] = []
    said = [
        each
        for name, data in statements(repository, found.digest)
        for each in _counting(data, name, found.digest, policy, root, now, against)
    ]
    known = together(said)
    if unknown := [entry for entry in entries if entry not in known]:
        what = ", ".join(dict.fromkeys(each.shown for each in unknown))
        reason = f"{index} names images for {what}, and nobody whom you trust has signed whose they are"
        hint = "verify an image by its own digest; `tally publish --index` with a private key signs this"
        raise Refused(Reason(Code.STATEMENT_MISSING, reason, way_out=hint), *against)
    if not entries:
        raise Refused(Reason(Code.MALFORMED, f"{index} names no image"))
    return tuple(
        Image(replace(index, tag=None, digest=each.manifest), known[each], index, each) for each in entries
    )


def _counting(
    data: bytes,
    name: str,
    index: Sha256,
    policy: Policy,
    root: TrustedRoot,
    now: datetime,
    against: list[Reason],
) -> Iterator[Mapping[Entry, Released]]:
    """What a bundle says of this index's images, if its signer counts; else why not, in `against`."""
    keys = [public_key(spki) for spki in policy.keys]
    try:
        opened = open_statement(data, name, keys, root, now)
        if isinstance(opened, Denied):
            return
        # who may sign what a release was made from may sign which release an image is of
        alike = replace(opened, statement=replace(opened.statement, predicate_type=PROVENANCE))
        moment = Moment(now, opened.time, claimed=None, last=opened.last)
        reasons = [*policy.signers.against(alike, moment)]
        if index.hex not in opened.statement.subjects.values():
            reasons.append(Reason(Code.SUBJECT_MISMATCH, f"{name} is about another index"))
        if not reasons:
            yield read(opened.statement)
        against += reasons
    except Refused as refused:
        against += refused.reasons
    except MalformedError as error:
        against.append(Reason(Code.MALFORMED, f"{name}: {error}"))
