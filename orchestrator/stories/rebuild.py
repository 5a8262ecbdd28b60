"""From a release to whether it comes out the same on the user's own builders: a line a stage.

Verdict -> Derivation, which has to be the release's -> Build (one per builder) -> Agreement, with one another
-> and with the release
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.agreement.agreement import Agreed, DifferingOutput, Disagreed, Incomplete
from orchestrator.agreement.difference import Side, differences
from orchestrator.agreement.keeping import folder_of, keep
from orchestrator.builders.build import Report
from orchestrator.builders.configuration import Configuration
from orchestrator.builders.running import OnEvent
from orchestrator.caches.choosing import ALL, Reach
from orchestrator.evidence.commands import command_of
from orchestrator.evidence.disagreement import Observed
from orchestrator.evidence.facts import ReleaseFile
from orchestrator.evidence.links import link_of
from orchestrator.evidence.materials import materials_of
from orchestrator.evidence.rebuilt import Rebuilt as Again
from orchestrator.evidence.reproduction import reproduction
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.state import State
from orchestrator.ground.wording import counted as counted_of
from orchestrator.log.trusted_root import TRUSTED_ROOT, TrustedRoot
from orchestrator.nix.derivation import name_of
from orchestrator.policy.policy import Policy
from orchestrator.policy.verdict import Failed, Passed
from orchestrator.publishing.directory import written
from orchestrator.publishing.drafts import refuse_unusable
from orchestrator.publishing.records import records_of
from orchestrator.publishing.reference import Reference
from orchestrator.recipe.supply import Located, Supply
from orchestrator.run.believing import decided
from orchestrator.run.claim import Claim, claim_of, refuse_without_source
from orchestrator.run.journal import kept
from orchestrator.run.making import (
    Making,
    Say,
    agreeing,
    agreement_on,
    artifact_of,
    build,
    counted,
    fetch,
    places,
    quorum_of,
    refuse_one_vote,
)
from orchestrator.run.observation import facts_of
from orchestrator.run.order import Order
from orchestrator.run.outcome import Undecided
from orchestrator.run.remaking import planned_again
from orchestrator.run.reproduced import Differs, Rebuilt, Reproduced, Unmade, Unverified
from orchestrator.run.signatories import Signatories, summon
from orchestrator.run.supplies import Published, of_folder
from orchestrator.run.workshop import Workshop, opened
from orchestrator.signing import gate
from orchestrator.stories import fetching
from orchestrator.stories.refusing import refuse
from orchestrator.stories.verification import Examination, examine

RELEASE = "the release"
"""What its side of a difference is called; no builder has a space in its name."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the user asked for."""

    releases: tuple[Path | Reference, ...]
    """Release folders, artifacts in them, or where releases are published."""
    policy: Policy
    """What has to hold of a release; one that trusts nobody makes every release an unverified one."""
    trusted: TrustedRoot | None = None
    further: Mapping[str, bytes] | None = None
    """Other parties' evidence, by file name."""
    unverified: bool = False
    """Whether a release that does not verify is made again, too."""
    builders: tuple[str, ...] = ()
    reach: Reach = ALL
    signing: Order | None = None
    """Who is to sign what came of it, and into which folder; None: nobody is."""


def rebuild(
    state: State, configuration: Configuration, asked: Asked, on_event: OnEvent, say: Say
) -> tuple[Rebuilt, ...]:
    """What each release came to, in the order asked for. Raises TallyError for what stops all of them."""
    signatories = None
    if asked.signing is not None:
        refuse_unusable(asked.signing.out)  # before hours of building, and before anybody logs in
        signatories = summon(asked.signing, configuration, state, say)
    found: list[Rebuilt] = []
    for release in asked.releases:
        try:
            found.append(_rebuilt(state, configuration, asked, release, signatories, on_event, say))
        except TallyError as error:  # what stops one does not lose the others
            found.append(Unmade(str(release), error))
    return tuple(found)


def _rebuilt(
    state: State,
    configuration: Configuration,
    asked: Asked,
    target: Path | Reference,
    signatories: Signatories | None,
    on_event: OnEvent,
    say: Say,
) -> Rebuilt:
    with opened(state, configuration) as workshop:
        release, examination, supply = examined(target, workshop, asked)
        if isinstance(examination.verdict, Failed) and not asked.unverified:
            return Unverified(str(target), examination.verdict)
        claim = claim_of(release, examination.read)
        refuse_without_source(claim)
        making = planned(workshop, claim, asked, say, supply)
        with (
            kept(state.folder("logs", workshop.run) / "journal.jsonl") as journal,
            state.locked(
                *places(making.builders, making.plan),
                waiting=lambda: say("waiting for another run that builds the same in one of these stores"),
            ),
        ):
            journal.write("planned", rebuilding=claim.name, derivations=making.plan.requested)
            say_where(fetch(making, say, supply), say)
            reports = build(making, on_event)
            for report in reports:
                journal.write("built", builder=report.identity.name, **counted(report))
            verified = isinstance(examination.verdict, Passed)
            found = conclude(making, claim, reports, verified=verified)
            if signatories is not None and asked.signing is not None:
                found = attested(making, claim, found, reports, signatories, asked.signing.out)
            journal.write("concluded", target=claim.name, outcome=type(found).__name__.lower())
            return found


def examined(
    target: Path | Reference, workshop: Workshop, asked: Asked
) -> tuple[Path, Examination, tuple[Supply, ...]]:
    """The release, fetched where it is elsewhere, what its evidence comes to by the user's policy, and where
    its inputs may be published.

    Raises TallyError.
    """
    now = datetime.now(UTC)
    if isinstance(target, Path):
        found = examine(target, asked.policy, now, None, asked.further, trusted=asked.trusted)
        return target, found, (of_folder(target),)
    whom = fetching.Asked(asked.policy, now, asked.trusted, further=asked.further)
    folder, found, shelf = fetching.with_shelf(target, workshop.store.nix.scratch / "fetched", whom)
    return folder, found, () if shelf is None else (Published(shelf),)


def planned(
    workshop: Workshop, claim: Claim, asked: Asked, say: Say, supplies: Sequence[Supply] = ()
) -> Making:
    """What is to be built, by whom. Raises TallyError, also where other derivations come of the release."""
    plan = planned_again(workshop, claim, Path.cwd(), say, supplies)
    builders = workshop.builders(asked.builders, plan.lock)
    refuse_one_vote(workshop.configuration, builders)
    for builder in builders:
        builder.power.check()
    decision = decided(workshop, plan, asked.reach, say)
    if decision.told is not None:
        say(decision.told)
    return Making(workshop, plan, builders, decision)


def say_where(located: Sequence[Located], say: Say) -> None:
    """Tell of each place how many inputs were found there."""
    for place, count in sorted(Counter(each.place for each in located).items()):
        say(f"{counted_of(count, 'input')} found in {place}")


def conclude(making: Making, claim: Claim, reports: Sequence[Report], *, verified: bool) -> Rebuilt:
    """Compare the builds with one another, and what they agree on with the release."""
    (target,) = making.plan.targets.values()
    match agreement_on(making, target, reports):
        case Incomplete() as incomplete:
            return Undecided(claim.name, incomplete)
        case Disagreed() as disagreed:
            quorum = quorum_of(making, reports)
            refused = refuse(target, disagreed, making.workshop, making.builders, quorum, None)
            return replace(refused, target=claim.name)
        case Agreed() as agreed:
            artifact = artifact_of(making, agreed, target.evaluated.artifact_path)
            if differing := differing_from(claim, agreed, making):
                return _differs(making, claim, agreed, differing, verified=verified)
            if (sha256 := gate.measure(artifact)[0]) != claim.sha256:
                raise TallyError(
                    f"{claim.name}: its outputs are those of the release, and its artifact's sha256 is "
                    f"{sha256.hex}, not {claim.sha256.hex}",
                    hint="the release contradicts itself: see what `tally verify` says of it",
                )
            return Reproduced(claim.name, agreed, claim.artifact_file, claim.sha256, verified)


def attested(
    making: Making,
    claim: Claim,
    found: Rebuilt,
    reports: Sequence[Report],
    signatories: Signatories,
    out: Path,
) -> Rebuilt:
    """The same with what was signed about it, in `out`/RELEASE: a yes or a no. Raises TallyError."""
    signing, quorum = signatories.joined_by(making.builders), quorum_of(making, reports)
    match found:
        case Reproduced():
            files = reproduced_files(making, claim, found, quorum, signing)
        case Differs():
            files = difference_files(making, claim, found, quorum, signing)
        case _:
            return found
    if (root := signing.root) is not None:
        files.append(ReleaseFile.of(TRUSTED_ROOT, root.render()))
    return replace(found, evidence=written(out / claim.name, files))


def reproduced_files(
    making: Making, claim: Claim, found: Reproduced, quorum: int, signing: Signatories
) -> list[ReleaseFile]:
    """The builders' links and records, and the statement that they made it again. Raises TallyError."""
    (target,) = making.plan.targets.values()
    agreed = found.agreed
    artifact = artifact_of(making, agreed, target.evaluated.artifact_path)
    facts = facts_of(making.workshop.store, target, agreed, quorum, artifact, making.decision.choice.beliefs)
    materials, records = materials_of(facts), records_of(facts)
    links = [link_of(report, facts, materials, records[report.identity.name]) for report in agreed.reports]
    keys = signing.of_builders(report.identity.name for report in agreed.reports)
    link_files = gate.sign_links(agreed, quorum, links, keys)
    statement = reproduction(facts, link_files, Again(claim.index, found.verified))
    statements = {"reproduction": statement}
    bundles = gate.sign(agreed, quorum, facts, artifact, statements, signing.key, signing.witnesses)
    return [*link_files.values(), *bundles, *(file for each in records.values() for file in each)]


def difference_files(
    making: Making, claim: Claim, found: Differs, quorum: int, signing: Signatories
) -> list[ReleaseFile]:
    """What each builder made, and the statement that this is not what the release has. Raises TallyError."""
    (target,) = making.plan.targets.values()
    store = making.workshop.store
    digests = {each.derivation: Sha256.of_file(store.physical(each.derivation)) for each in found.differing}
    disagreed = Disagreed(found.agreed.reports, found.differing, tuple(digests))
    command = tuple(command_of(target.graph[target.evaluated.package]))
    observed = Observed(claim.target, disagreed, digests, quorum, found.agreed.vote, command)
    keys = signing.of_builders(report.identity.name for report in found.agreed.reports)
    again = Again(claim.index, found.verified)
    return list(
        gate.sign_difference(found.agreed, quorum, observed, again, signing.key, keys, signing.witnesses)
    )


def differing_from(claim: Claim, agreed: Agreed, making: Making) -> tuple[DifferingOutput, ...]:
    """The outputs of which the release has another hash, in build order.

    Raises TallyError for a release that names other outputs than its derivations have.
    """
    claimed = {each.path: each for each in claim.outputs}
    made = {built.path: built for outputs in agreed.outputs.values() for built in outputs.values()}
    if claimed.keys() != made.keys():
        odd = min(claimed.keys() ^ made.keys())
        whose = "the release" if odd in claimed else "its derivation"
        raise TallyError(
            f"{claim.name}: {odd} is an output by the word of {whose} alone",
            hint="the release contradicts itself: see what `tally verify` says of it",
        )
    names = [report.identity.name for report in agreed.reports]
    order = {path: number for number, path in enumerate(_in_build_order(making))}
    found = [
        DifferingOutput(
            each.derivation,
            each.name,
            path,
            {RELEASE: each.nar_hash, **dict.fromkeys(names, made[path].nar_hash)},
            inherited=False,
        )
        for path, each in claimed.items()
        if made[path].nar_hash != each.nar_hash
    ]
    return tuple(sorted(found, key=lambda each: order.get(each.path, len(order))))


def _in_build_order(making: Making) -> list[str]:
    return [path for each in making.plan.graph.in_build_order() for path in each.outputs.values()]


def _differs(
    making: Making, claim: Claim, agreed: Agreed, differing: tuple[DifferingOutput, ...], *, verified: bool
) -> Differs:
    """Keep what was made, and the release's artifact beside it; tell in which files these differ."""
    (target,) = making.plan.targets.values()
    builder = agreeing(making, agreed)[0]
    sources = {Path(builder.name, name_of(each.path)): builder.store.bring(each.path) for each in differing}
    packed = target.evaluated.artifact_path
    if any(each.path == packed for each in differing):
        sources[Path(folder_of(RELEASE), name_of(packed))] = claim.artifact_path
    folder = keep(making.workshop.state, f"rebuilt-{target.package.name}", sources)
    sides = [Side(side, folder / folder_of(side) / name_of(packed)) for side in (RELEASE, builder.name)]
    found = {packed: tuple(differences(*sides))} if len(sources) > len(differing) else {}
    return Differs(claim.name, agreed, differing, folder, found, verified)
