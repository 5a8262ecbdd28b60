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
from orchestrator.agreement.apart import Apart, apart
from orchestrator.agreement.difference import differences
from orchestrator.agreement.keeping import folder_of, keep
from orchestrator.agreement.trees import Side
from orchestrator.builders.build import Report
from orchestrator.builders.configuration import Configuration
from orchestrator.builders.running import OnEvent
from orchestrator.caches.choosing import ALL, Reach
from orchestrator.evidence import kept
from orchestrator.evidence.foreign_provenance import Foreign
from orchestrator.ground.errors import TallyError
from orchestrator.ground.state import State
from orchestrator.ground.wording import counted as counted_of
from orchestrator.log.trusted_root import TrustedRoot
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.command import NixFailed
from orchestrator.nix.derivation import name_of
from orchestrator.policy.policy import Policy
from orchestrator.policy.verdict import Failed, Passed
from orchestrator.publishing import attaching
from orchestrator.publishing.directory import refuse_taken
from orchestrator.publishing.drafts import refuse_unusable
from orchestrator.publishing.reference import Reference
from orchestrator.publishing.sources.source import Found, Several
from orchestrator.run.claim import Claim, claim_of, refuse_without_source
from orchestrator.run.drifted import drifted
from orchestrator.run.elsewhere import foreign_of, named, refuse_foreign, refuse_lacking
from orchestrator.run.making import (
    Making,
    Say,
    agreeing,
    agreement_on,
    alone,
    artifact_of,
    build,
    fetch,
    journal_of,
    making_of,
)
from orchestrator.run.order import Order
from orchestrator.run.outcome import Refused
from orchestrator.run.remaking import planned_again
from orchestrator.run.reproduced import Differs, Rebuilt, Reproduced, Unmade, Unverified
from orchestrator.run.signatories import REBUILDER, Signatories, summon
from orchestrator.run.supplies import Published, of_caches, of_folder
from orchestrator.run.workshop import Workshop, opened
from orchestrator.signing import gate
from orchestrator.sources.supply import Located, Supply
from orchestrator.stories import fetching
from orchestrator.stories.foreign import remade
from orchestrator.stories.rebuilders_word import attested
from orchestrator.stories.refusing import diagnosed, recipe_of, unagreed
from orchestrator.stories.verification import Examination, examine


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
    """Who is to sign what came of it; None: nobody is."""
    out: Path | None = None
    """The folder that what is signed goes to."""
    attach: bool = False
    """Whether what is signed is attached to the release where that is published."""
    diagnose: bool = False
    """Whether it is found out why something differs."""


def rebuild(
    state: State, configuration: Configuration, asked: Asked, on_event: OnEvent, say: Say
) -> tuple[Rebuilt, ...]:
    """What each release came to, in the order asked for. Raises TallyError for what stops all of them."""
    signatories = summoned(state, configuration, asked, say)
    return tuple(
        rebuilt(state, configuration, asked, release, signatories, on_event, say)
        for release in asked.releases
    )


def summoned(state: State, configuration: Configuration, asked: Asked, say: Say) -> Signatories | None:
    """Who signs; None: nobody. Raises TallyError for who cannot, and for a place that takes nothing."""
    if asked.signing is None:
        return None
    refuse_unattachable(asked)  # before hours of building, and before anybody logs in
    if asked.out is not None:
        refuse_unusable(asked.out)
    return summon(asked.signing, configuration, state, say, REBUILDER)


def rebuilt(
    state: State,
    configuration: Configuration,
    asked: Asked,
    target: Path | Reference,
    signatories: Signatories | None,
    on_event: OnEvent,
    say: Say,
) -> Rebuilt:
    """What one release came to; what stops it does not lose the others."""
    try:
        return _rebuilt(state, configuration, asked, target, signatories, on_event, say)
    except Several as error:
        every = TallyError(error.message, hint=f"{error.hint}; or --all makes each of them again")
        return Unmade(str(target), every)
    except TallyError as error:
        return Unmade(str(target), error)


def _rebuilt(
    state: State,
    configuration: Configuration,
    asked: Asked,
    target: Path | Reference,
    signatories: Signatories | None,
    on_event: OnEvent,
    say: Say,
) -> Rebuilt:
    foreign = foreign_of(target) if isinstance(target, Path) else None
    with opened(state, configuration) as workshop:
        if foreign is not None and isinstance(target, Path):
            _refuse_unasked(target, foreign, asked)
            return remade(workshop, target, foreign, asked.builders, asked.reach, on_event, say)
        release, examination, supply, published = examined(target, workshop, asked)
        if isinstance(examination.verdict, Failed) and not asked.unverified:
            buildable = can_be_built(release, examination, artifact_as_it_is=True)
            return Unverified(str(target), examination.verdict, buildable)
        claim = claim_of(release, examination.read, artifact_as_it_is=True)
        refuse_without_source(claim)
        if signatories is not None and asked.out is not None:
            refuse_taken(asked.out / claim.name)  # before anything is built
        making = planned(workshop, claim, asked, say, supply)
        with (
            journal_of(workshop) as journal,
            alone(making, say),
        ):
            journal.write("planned", rebuilding=claim.name, derivations=making.plan.requested)
            located = fetch(making, say, supply)
            say_where(located, say)
            reports = build(making, on_event, journal)
            if _forgotten(making, claim, reports, say):
                reports = build(making, on_event, journal)
            verified = isinstance(examination.verdict, Passed)
            found = conclude(making, claim, reports, verified=verified)
            if isinstance(found, Reproduced | Differs):
                found = replace(found, located=located)
            if asked.diagnose and isinstance(found, Differs | Refused):
                found = replace(found, diagnosis=diagnosed(workshop, found.kept, say))
            if signatories is not None:
                to = published if asked.attach else None
                found = attested(making, claim, found, reports, signatories, asked.out, to)
            journal.write("concluded", target=claim.name, outcome=type(found).__name__.lower())
            return found


def _refuse_unasked(path: Path, foreign: Foreign, asked: Asked) -> None:
    """Raises TallyError for what cannot be done with somebody else's provenance."""
    if asked.signing is not None:
        raise TallyError(
            f"{named(path, foreign)}, and what a rebuilder signs is about a release",
            hint="leave out --attest and --attach",
        )
    refuse_lacking(path, foreign)
    if not asked.unverified:
        raise TallyError(
            f"{named(path, foreign)}, whose signature is not looked at here: nobody vouches for it",
            hint="--even-if-unverified makes what it names all the same; `tally verify --bundle` says who "
            "signed it",
        )


def can_be_built(release: Path, examination: Examination, *, artifact_as_it_is: bool = False) -> bool:
    """Whether a release that does not verify could be made again all the same, by what is in it."""
    try:
        refuse_without_source(claim_of(release, examination.read, artifact_as_it_is=artifact_as_it_is))
    except TallyError:
        return False
    return True


def refuse_unattachable(asked: Asked) -> None:
    """Raises TallyError for a release that nothing could be attached to."""
    for release in asked.releases if asked.attach else ():
        if isinstance(release, Path):
            raise TallyError(
                f"{release} is a folder, and --attach is for where a release is published",
                hint="give a reference, as oci://HOST/REPOSITORY:TAG, or --attest DIR in place of --attach",
            )
        attaching.refuse_unusable(release)


def examined(
    target: Path | Reference, workshop: Workshop, asked: Asked
) -> tuple[Path, Examination, tuple[Supply, ...], Found | None]:
    """The release, fetched where it is elsewhere, what its evidence comes to by the user's policy, where its
    inputs may be published, and where it was found.

    Raises TallyError.
    """
    now = datetime.now(UTC)
    if isinstance(target, Path):
        refuse_foreign(target)
        found = examine(target, asked.policy, now, None, asked.further, trusted=asked.trusted)
        return target, found, (of_folder(target),), None
    whom = fetching.Asked(asked.policy, now, asked.trusted, further=asked.further)
    folder, found, there = fetching.with_found(target, workshop.store.nix.scratch / "fetched", whom)
    shelf = None if there is None else there.shelf
    return folder, found, () if shelf is None else (Published(shelf),), there


def planned(
    workshop: Workshop, claim: Claim, asked: Asked, say: Say, supplies: Sequence[Supply] = ()
) -> Making:
    """What is to be built, by whom. Raises TallyError, also where other derivations come of the release."""
    plan = planned_again(workshop, claim, Path.cwd(), say, (*supplies, *of_caches(workshop)))
    return making_of(workshop, plan, asked.builders, asked.reach, say)


def say_where(located: Sequence[Located], say: Say) -> None:
    """Tell of each place how many inputs were found there."""
    for place, count in sorted(Counter(each.around for each in located).items()):
        say(f"{counted_of(count, 'input')} found in {place}")


def conclude(making: Making, claim: Claim, reports: Sequence[Report], *, verified: bool) -> Rebuilt:
    """Compare the builds with one another, and what they agree on with the release."""
    (target,) = making.plan.targets.values()
    match agreement_on(making, target, reports):
        case Disagreed() | Incomplete() as found:
            return unagreed(making, target, found, reports, claim.name)
        case Agreed() as agreed:
            artifact = artifact_of(making, agreed, target.evaluated.artifact_path)
            if differing := differing_from(claim, agreed, making):
                return _differs(making, claim, agreed, differing, verified=verified)
            if (sha256 := gate.measure(artifact)[0]) != claim.sha256:
                raise TallyError(
                    f"{claim.name}: what was made again is what its evidence says, and {claim.artifact_path} "
                    f"is another file: its sha256 is {claim.sha256.hex}, and not {sha256.hex}",
                    hint="somebody changed that file, or it is of another release: get it again",
                )
            return Reproduced(claim.name, agreed, claim.artifact_file, claim.sha256, verified)


def _forgotten(making: Making, claim: Claim, reports: Sequence[Report], say: Say) -> bool:
    """Whether builders' stores held the release's own outputs, make others now, and were rid of those.

    Without this a builder would be held to its own earlier result, and not to the others'.
    """
    held = drifted({each.path: each.nar_hash for each in claim.outputs}, reports)
    stores = {each.name: each.store for each in making.builders if isinstance(each.store, ChrootStore)}
    if not held or not held.keys() <= stores.keys():
        return False
    say(
        f"{' and '.join(sorted(held))} had of {claim.name} what the release has, and made something else "
        "now: all of it is deleted there, and built anew"
    )
    try:
        for name, paths in held.items():
            stores[name].forget(paths)
    except NixFailed as error:  # another run uses it: what was compared until now stands
        say(f"that could not be deleted: {error.message}")
        return False
    return True


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
            {kept.RELEASE: each.nar_hash, **dict.fromkeys(names, made[path].nar_hash)},
            inherited=False,
        )
        for path, each in claimed.items()
        if made[path].nar_hash != each.nar_hash
    ]
    return tuple(sorted(found, key=lambda each: order.get(each.path, len(order))))


def _first_to_diverge(making: Making, claim: Claim, agreed: Agreed, builder: str) -> Apart:
    """Where what a builder made parts from the release, as far down as its evidence has hashes."""
    (report,) = (each for each in agreed.reports if each.identity.name == builder)
    made = dict(report.inputs)
    for outputs in agreed.outputs.values():
        made.update((built.path, built) for built in outputs.values())
    told = {**claim.inputs, **{each.path: each.nar_hash for each in claim.outputs}}
    return apart(making.plan.graph, made, told)


def _in_build_order(making: Making) -> list[str]:
    return [path for each in making.plan.graph.in_build_order() for path in each.outputs.values()]


def _differs(
    making: Making,
    claim: Claim,
    agreed: Agreed,
    differing: tuple[DifferingOutput, ...],
    *,
    verified: bool,
) -> Differs:
    """Keep what was made, and the release's artifact beside it; tell in which files these differ."""
    (target,) = making.plan.targets.values()
    builder = agreeing(making, agreed)[0]
    first = _first_to_diverge(making, claim, agreed, builder.name)
    differing = tuple(replace(each, inherited=each.path in first.inherited) for each in differing)
    sources = {Path(builder.name, name_of(each.path)): builder.store.bring(each.path) for each in differing}
    packed = target.evaluated.artifact_path
    if any(each.path == packed for each in differing):
        sources[Path(folder_of(kept.RELEASE), name_of(packed))] = claim.artifact_path
    both = [each for each in differing if each.path == packed]
    theirs = kept.released(claim.surroundings, claim.span, [each.derivation for each in differing])
    record = kept.render(
        claim.name, both, first.culprits, agreed.reports, recipe_of(target), claim.name, theirs
    )
    name = f"rebuilt-{target.package.name}"
    folder = keep(making.workshop.state, name, sources, notes={kept.KEPT: record})
    sides = [Side(side, folder / folder_of(side) / name_of(packed)) for side in (kept.RELEASE, builder.name)]
    found = {packed: tuple(differences(*sides))} if len(sources) > len(differing) else {}
    return Differs(claim.name, agreed, differing, first, folder, found, verified)
