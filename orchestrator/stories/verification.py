"""From a release's bytes to a verdict: the second of the two stories, a line a step.

Needs the release folder and a policy, and nothing else: no Nix, no network, no state. Steps 1 to 11 hold for
every release and end at the first that finds something, since what follows would rest on what it refuted.
Step 12 is the policy's: all of its rules are asked, and all that fail are told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Final

from orchestrator.bundles.further import Further, denying, open_further
from orchestrator.bundles.ledgers import Opened, exported, open_ledgers
from orchestrator.bundles.opening import not_by_one, open_layout, open_links, open_own, open_trusted_root
from orchestrator.bundles.witnessed import unwhole, witnessed
from orchestrator.evidence.canonical import MalformedError
from orchestrator.evidence.layout import LAYOUT, LAYOUT_KEY
from orchestrator.evidence.links import Link
from orchestrator.evidence.oci import manifest_name
from orchestrator.evidence.statement import Statement
from orchestrator.evidence.terms import BUNDLES, PROVENANCE, REPRODUCTION
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.values import replace
from orchestrator.keys.key import PublicKey
from orchestrator.log.trusted_root import TrustedRoot
from orchestrator.policy import carried, checks, claims, commands, inventory, reached
from orchestrator.policy.evidence import Evidence
from orchestrator.policy.policy import Policy
from orchestrator.policy.rules.builders import Builders
from orchestrator.policy.trust import LAYOUT_TYPE
from orchestrator.policy.validity import Moment
from orchestrator.policy.verdict import Code, Failed, Finding, Passed, Reason, Refused, Verdict
from orchestrator.publishing.contents import (
    Contents,
    beside,
    locate,
    read_contents,
    read_index,
    unlisted,
)
from orchestrator.publishing.folder import Folder
from orchestrator.publishing.index import Index, index_of
from orchestrator.stories import notices

STEPS: Final = (
    "the policy itself",
    "the index",
    "the digests of the files",
    "the signatures",
    "log entries and timestamps",
    "who signed",
    "the statements",
    "the SBOM",
    "the builders' links",
    "their agreement",
    "whether every file is signed for",
    "whether the artifact is the store object",
    "the policy's rules",
)
"""What the steps of a verification are about, by their numbers in `_examine`."""


class Examination:
    """A verdict, and what was seen on the way to it."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        self.findings: tuple[Finding, ...] = ()
        """What each rule of the policy found; empty where an earlier step refused."""
        self.subject: tuple[str, Sha256] | None = None
        """The artifact's name and what was measured of it, or asked for by digest; None: not even that."""
        self.attestations: Mapping[str, Sha256] = {}
        """Every signed document that was judged, by its file."""
        self.read: tuple[Index, Contents] | None = None
        """The index and what was read of the files that it lists; None: it did not come to that."""
        self.step = 0
        """The step that was reached."""

    @property
    def left_out(self) -> tuple[str, ...]:
        """The steps that nobody came to, since an earlier one refused the release."""
        return STEPS[self.step + 1 :]


def verify(
    target: Path,
    policy: Policy,
    now: datetime,
    digest: Sha256 | None = None,
    trusted: TrustedRoot | None = None,
) -> Verdict:
    """The verdict alone: see `examine`."""
    return examine(target, policy, now, digest, trusted=trusted).verdict


def examine(
    target: Path | Folder,
    policy: Policy,
    now: datetime,
    digest: Sha256 | None = None,
    further: Mapping[str, bytes] | None = None,
    trusted: TrustedRoot | None = None,
) -> Examination:
    """Whether a release, or the artifact in one, is what its builders agreed on and the policy accepts.

    `target` is a release folder, opened or not, or the artifact's path inside one; `now` is UTC. With
    `digest`, the artifact must have it, and its file need not be there. `further` are other parties' bundles
    and links, by file name. `trusted`, from elsewhere than the release and in place of the policy's own root,
    names the logs that bundles have to be in, and says whose timestamps and certificates count. Raises
    TallyError when it cannot be decided: no release there, or a file that the machine refuses.
    """
    folder, asked = (target, None) if isinstance(target, Folder) else locate(target)
    found = Examination(Failed((Reason(Code.MALFORMED, "nothing was read yet"),)))
    # 0. A policy that trusts nobody accepts nothing; one that has expired is told of, whatever else there is.
    own = tuple(policy.against_itself(now))
    try:
        if any(reason.code is Code.POLICY_EMPTY for reason in own):
            raise Refused(*own)
        _examine(
            found, folder, asked, policy, now, digest, further or {}, trusted or policy.root or TrustedRoot()
        )
    except Refused as refused:
        told = tuple(reason for reason in own if reason not in refused.reasons)
        found.verdict = Failed((*told, *refused.reasons))
    except MalformedError as error:
        found.verdict = Failed((*own, Reason(Code.MALFORMED, str(error))))
    except OSError as error:
        raise TallyError(
            f"cannot read {error.filename or folder.path} in {folder.path}: {error.strerror or error}"
        ) from error
    return found


def _examine(
    found: Examination,
    folder: Folder,
    asked: str | None,
    policy: Policy,
    now: datetime,
    digest: Sha256 | None,
    further: Mapping[str, bytes],
    trusted: TrustedRoot,
) -> None:
    # 1. The index says what to look for; nothing in it is believed yet.
    found.step = 1
    index = read_index(folder, asked)

    # 2. Every listed file's digest, from its bytes; the artifact's may be given instead of its file.
    found.step = 2
    contents = read_contents(folder, index, digest)
    artifact, sha256 = index.artifact, contents.measured[index.artifact][0]
    found.subject, found.read = (artifact, sha256), (index, contents)
    signed = [name for name in contents.documents if name.startswith(("attestations/", "links/"))]
    found.attestations = {name: contents.measured[name][0] for name in signed if name != LAYOUT_KEY}
    _hold(checks.digests(index.files, contents.measured))

    # 3. Each bundle's envelope and signature, over the exact bytes (DSSE 1.0.2; Sigstore bundle v0.3). Of one
    #    by an identity: its certificate too, its times and its place in a log, as the caller's root has them.
    found.step = 3
    keys = [public_key(spki) for spki in policy.keys]
    opened = {
        name: open_own(data, name, keys, trusted, now)
        for name, data in contents.below("attestations/").items()
    }
    layout, layout_signer = open_layout(contents.documents, keys, opened)
    _hold(not_by_one(opened))

    # 4. Each bundle's entry in a log, and its timestamps: by the release's own trusted root, which only shows
    #    that the release is whole, and by the caller's (Rekor v2; RFC 9162, 2.1.3.2; RFC 3161, 2.3, 2.4.2).
    found.step = 4
    root = open_trusted_root(contents.documents)
    _hold(unwhole(opened, root, now))
    judged = witnessed(opened, trusted, now)

    # 5. Each signer is one whom the policy trusts with what it signed: its key, or its identity.
    found.step = 5
    for name, each in judged.items():
        _hold(policy.trusts(each.signer, each.statement.predicate_type, name))
    _hold(policy.trusts(layout_signer, LAYOUT_TYPE, LAYOUT))

    # 6. Every needed statement, about this artifact (in-toto Statement v1; SLSA v1.0, verifying artifacts).
    found.step = 6
    statements = {name: each.statement for name, each in judged.items()}
    _hold(checks.required(statements))
    _hold(checks.subjects(statements, artifact, sha256))
    _hold(checks.denied(statements))
    if manifest_name(artifact) in (about := next(iter(statements.values()))).subjects:
        _hold(checks.manifest(about, artifact, _manifest(folder, artifact, contents)))
    own = {each.statement.predicate_type: each for each in judged.values() if each.file in BUNDLES.values()}
    provenance, reproduction = own[PROVENANCE].statement, own[REPRODUCTION].statement

    # 7. The SBOMs in the folder are those that were signed, each in its form.
    found.step = 7
    by_type = {kind: each.statement for kind, each in own.items()}
    _hold(checks.sboms(by_type, contents.below("sbom/")))

    # 8. Links by enough distinct keys that the layout names (in-toto 1.0, 4.3 and 5.2).
    found.step = 8
    vouched = open_links(contents.below("links/"), layout)
    links = [each.link for each in vouched]
    _hold(checks.quorum(layout, links, now))

    # 9. The links agree: with one another, with the artifact, and with both statements. Nobody whom the
    #    policy trusts has stated that builders disagreed on what was made here, or on what it was made from.
    found.step = 9
    vouching = [public_key(spki) for spki in policy.builder_keys]
    signed_builds = exported(further)
    ledgers = _ledgers(policy, further, signed_builds)
    others = {file: data for file, data in further.items() if file not in signed_builds}
    theirs = open_further(others, keys, vouching, policy.trusts, trusted, now)
    theirs = theirs.about(sha256, checks.paths(links), vouched)
    _hold(checks.denied({each.file: each.statement for each in theirs.statements}))
    theirs = theirs.counting(
        lambda each: policy.signers.against(each, Moment(now, each.time, claimed=None, last=each.last))
    )
    found.attestations = {
        **found.attestations,
        **{file: Sha256.of(further[file]) for file in theirs.files},
    }
    further_links = [each.link for each in (*theirs.links, *theirs.again)]
    _hold(checks.agreement(layout, [*links, *further_links], artifact, sha256))
    lying = unlisted(folder, index)
    lying_bundles = beside(folder, lying)
    refuting = denying(lying_bundles)
    unlisted_too = open_further(refuting, keys, (), policy.trusts, trusted, now)
    release = Sha256.of(index.data)
    _hold(checks.refuted((*theirs.denials, *unlisted_too.denials), checks.paths(links), release))
    again = _rebuilds(policy, {**others, **lying_bundles}, sha256, links, trusted, now)
    _hold(checks.refuted(again.denials, checks.paths(links), release))
    left = notices.left_of(theirs.notices, again.statements)
    theirs = replace(theirs, notices=(*left, *ledgers.notices))
    told = commands.read(provenance)
    _hold(checks.products(links[0], provenance, artifact, told.materials))
    agreed = checks.agreed(reproduction)
    _hold(commands.same(told, links, layout))
    _hold(commands.outputs(told, links[0], agreed["outputs"]))
    _hold(commands.made(told, links[0]))
    _hold(commands.kinds(told))
    _hold(commands.packages(told))
    _hold(claims.package(provenance, told, artifact))
    _hold(claims.quorum(provenance, agreed, layout))
    _hold(reached.inputs(provenance, reproduction, links))
    by_file = {each.file: each.link for each in vouched}
    _hold(checks.reproduction(reproduction, by_file, layout, contents.measured))
    _hold(claims.of_the_run(provenance, reproduction, agreed, links))
    _hold(inventory.sboms(by_type, told, provenance, links[0], artifact))

    # 10. Every listed file is signed for, and the index says what the signed evidence says.
    found.step = 10
    _hold(checks.coverage(provenance, artifact, frozenset(statements), contents.measured))
    _hold(checks.parameters(provenance))
    more = bool(policy.rules or policy.builders)  # what a recipe says matters to who asks more than by whom
    _hold(carried.source(provenance, told, contents.documents, contents.measured, recipes=more))
    _hold(checks.index(index.data, _following(provenance, reproduction, contents.measured)))

    # 11. The artifact is the store object that was agreed on, executable or not: downloads lose that bit.
    found.step = 11
    _hold(_store_object(folder, artifact, contents, checks.agreed_artifact(provenance, reproduction)))

    # 12. The policy, rule by rule: times of signing, builders, materials, and all that it says besides.
    found.step = 12
    evidence = Evidence(
        artifact=artifact,
        sha256=sha256,
        size=None if contents.nar_hash is None else contents.measured[artifact][1],
        own=own,
        others=(*(each for each in judged.values() if each not in own.values()), *theirs.statements),
        layout_signer=layout_signer,
        links=tuple(sorted((*vouched, *theirs.links), key=lambda each: each.link.builder)),
        threshold=layout.threshold,
        now=now,
        index=release,
        rebuilds=again.statements,
        ledgers=ledgers.ledgers,
        ledgers_aside=ledgers.notices,
        uncounted=theirs.uncounted,
    )
    found.findings = policy.judge(evidence)
    _hold(reason for finding in found.findings for reason in finding.reasons)

    # what is told of builders is told of those that count, by whose word it is
    builders = policy.builders or Builders(quorum=layout.threshold)
    counted = builders.counted(evidence)
    of_the_run = tuple(notices.of_witnesses(opened, judged, root, trusted))
    found.verdict = Passed(
        artifact=artifact,
        sha256=sha256.hex,
        builders=tuple(each.name for each in counted),
        independence=builders.level(counted),
        signers=tuple(sorted({str(each.signer) for each in judged.values()})),
        names=notices.names_of(policy, (each.signer for each in judged.values())),
        of_the_run=of_the_run,
        rebuilders=policy.rebuilders.counted(evidence) if policy.rebuilders else (),
        notices=(
            *of_the_run,
            *notices.of_depth(reached.reach(reproduction)),
            *notices.of_commands(commands.unseen(told)),
            *notices.of_contents(index, lying, contents, theirs, checks.dissent(reproduction)),
            *notices.of_builders(evidence, counted),
        ),
    )


def _rebuilds(
    policy: Policy,
    documents: Mapping[str, bytes],
    sha256: Sha256,
    links: Sequence[Link],
    trusted: TrustedRoot,
    now: datetime,
) -> Further:
    """What rebuilders whom the policy names have signed of this artifact, with it or beside the release."""
    if policy.rebuilders is None:
        return Further()
    keys = [public_key(spki) for spki in policy.rebuilders.keys]
    opened = open_further(documents, keys, (), policy.rebuilders.trusts, trusted, now)
    return opened.about(sha256, checks.paths(links), ())


def _ledgers(policy: Policy, further: Mapping[str, bytes], files: Collection[str]) -> Opened:
    """What of exported ledgers is by rebuilders, where the policy counts votes on the closure."""
    if not files or policy.closure is None:
        return open_ledgers(further, files, None)
    return open_ledgers(further, files, [public_key(spki) for spki in policy.closure.rebuilders.keys])


def _following(provenance: Statement, reproduction: Statement, found: checks.Measured) -> bytes:
    """The index that follows from what was signed. Raises MalformedError."""
    try:
        return index_of(provenance, reproduction, found)
    except TallyError as error:  # half a letter, which JSON can have and no text
        raise MalformedError(f"no index can be made from the statements: {error.message}") from None


def _manifest(folder: Folder, artifact: str, contents: Contents) -> Sha256 | None:
    """Of the manifest that the artifact has in any registry; None: the file is not there."""
    if contents.nar_hash is None:
        return None
    from orchestrator.publishing.registry.archive import manifest_of

    return manifest_of(artifact, *contents.measured[artifact], folder.path / artifact)


def _store_object(
    folder: Folder, artifact: str, contents: Contents, agreed: frozenset[str]
) -> Iterable[Reason]:
    if contents.nar_hash is None or contents.nar_hash.hex in agreed:
        return ()
    return checks.nar_of_artifact(agreed, folder.measure_artifact(artifact, executable=True)[2])


@lru_cache(maxsize=256)
def public_key(spki: bytes) -> PublicKey:
    """A key of the policy's, whose forms are computed once for many releases."""
    return PublicKey(spki)


def _hold(reasons: Iterable[Reason]) -> None:
    """Go on only when a check has nothing against it."""
    if found := tuple(reasons):
        raise Refused(*found)
