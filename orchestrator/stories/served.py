"""From a name in a registry to how alike what it serves and what its source makes are: a line a stage.

Release, as the index has it -> Recipe and lock -> Derivation -> Build (one per builder) -> Agreement -> Grade
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.agreement.agreement import Agreed, Disagreed, Incomplete
from orchestrator.agreement.keeping import keep
from orchestrator.builders.build import Report
from orchestrator.builders.configuration import Configuration
from orchestrator.builders.running import OnEvent
from orchestrator.caches.choosing import ALL, Reach
from orchestrator.evidence.facts import ReleaseFile
from orchestrator.evidence.links import link_of
from orchestrator.evidence.materials import materials_of
from orchestrator.evidence.reproduction import reproduction
from orchestrator.evidence.served import Served, same_contents
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.state import State
from orchestrator.log.trusted_root import TRUSTED_ROOT
from orchestrator.publishing.directory import written
from orchestrator.publishing.drafts import refuse_unusable
from orchestrator.publishing.records import records_of
from orchestrator.run import recipes
from orchestrator.run.graded import Graded
from orchestrator.run.making import (
    Making,
    Say,
    agreement_on,
    alone,
    artifact_of,
    build,
    fetch,
    journal_of,
    making_of,
    quorum_of,
)
from orchestrator.run.observation import facts_of
from orchestrator.run.order import Order
from orchestrator.run.reproduced import Rebuilt, Unmade
from orchestrator.run.signatories import REBUILDER, Signatories, summon
from orchestrator.run.workshop import Workshop, opened
from orchestrator.served.comparison import of_files
from orchestrator.served.grade import Different, Identical, SameContents
from orchestrator.served.named import Named, NpmName, PypiName
from orchestrator.served.npm_repository import Origin
from orchestrator.signing import gate
from orchestrator.sources.folder import Sources
from orchestrator.sources.mirrors import Mirrors
from orchestrator.sources.pyindex import Index
from orchestrator.sources.unobtained import LeftTheArchive
from orchestrator.stories import preparing_deb, preparing_npm
from orchestrator.stories.preparing import Prepared, forget_toolchain, prepare
from orchestrator.stories.preparing_deb import Archive
from orchestrator.stories.refusing import unagreed


@dataclass(frozen=True, slots=True)
class Asked:
    """What the user asked for."""

    names: tuple[Named, ...]
    recipes: Path | None = None
    """Where recipes and locks are put, and taken from; None: they go into the state folder."""
    builders: tuple[str, ...] = ()
    reach: Reach = ALL
    buildinfo: Path | None = None
    """What says how a package of Debian's was built; None: it is resolved."""
    origin: Origin | None = None
    """Where a package of npm's is from; None: what is served is packed once more."""
    signing: Order | None = None
    """Who is to sign what came of it, and into which folder; None: nobody is."""


def rebuild(
    state: State, configuration: Configuration, asked: Asked, on_event: OnEvent, say: Say
) -> tuple[Rebuilt, ...]:
    """What each name came to, in the order asked for. Raises TallyError for what stops all of them."""
    mirrors = Mirrors(configuration.mirrors)
    sources = Sources(state.folder("sources"), mirrors)
    index = Index(mirrors, sources.downloader)
    signatories = None
    if asked.signing is not None:
        refuse_unusable(asked.signing.out)  # before hours of building, and before anybody logs in
        signatories = summon(asked.signing, configuration, state, say, REBUILDER)
    found: list[Rebuilt] = []
    with Archive(mirrors, say) as archive:

        def one(named: Named) -> Rebuilt:
            if isinstance(named, PypiName):
                prepared = prepare(named, index, sources, mirrors, state, asked.recipes, say)
            elif isinstance(named, NpmName):
                prepared = preparing_npm.prepare(
                    named, asked.origin, sources, mirrors, state, asked.recipes, say
                )
            else:
                prepared = preparing_deb.prepare(
                    named, archive, sources, mirrors, state, asked.recipes, asked.buildinfo, say
                )
            return _rebuilt(state, configuration, asked, prepared, signatories, on_event, say)

        for named in asked.names:
            try:
                found.append(_with_what_there_is(one, named, state))
                if len(asked.names) > 1:
                    say(f"{named}: done, {len(found)} of {len(asked.names)}")
            except TallyError as error:  # what stops one does not lose the others
                found.append(Unmade(str(named), error))
    return tuple(found)


def _with_what_there_is(one: Callable[[Named], Rebuilt], named: Named, state: State) -> Rebuilt:
    """Do it; where a point release has replaced packages of the toolchain, once more with a new one."""
    try:
        return one(named)
    except LeftTheArchive:
        forget_toolchain(state)
        return one(named)


def _rebuilt(
    state: State,
    configuration: Configuration,
    asked: Asked,
    prepared: Prepared,
    signatories: Signatories | None,
    on_event: OnEvent,
    say: Say,
) -> Rebuilt:
    with opened(state, configuration) as workshop:
        making = planned(workshop, prepared, asked, say)
        with (
            journal_of(workshop) as journal,
            alone(making, say),
        ):
            journal.write("planned", served=prepared.name, derivations=making.plan.requested)
            fetch(making, say)
            reports = build(making, on_event, journal)
            found = conclude(making, prepared, reports)
            if isinstance(found, Graded) and signatories is not None and asked.signing is not None:
                found = attested(making, prepared, found, reports, signatories, asked.signing.out)
            journal.write("concluded", target=prepared.name, outcome=type(found).__name__.lower())
            return found


def planned(workshop: Workshop, prepared: Prepared, asked: Asked, say: Say) -> Making:
    """What is to be built, by whom. Raises TallyError."""
    plan = recipes.planned(workshop, [prepared.recipe])
    return making_of(workshop, plan, asked.builders, asked.reach, say)


def conclude(making: Making, prepared: Prepared, reports: Sequence[Report]) -> Rebuilt:
    """Compare the builds with one another, and what they agree on with what is served."""
    (target,) = making.plan.targets.values()
    match agreement_on(making, target, reports):
        case Disagreed() | Incomplete() as found:
            return unagreed(making, target, found, reports, prepared.name)
        case Agreed() as agreed:
            artifact = artifact_of(making, agreed, target.evaluated.artifact_path)
            grade = of_files(artifact, prepared.served)
            folder = None
            if not isinstance(grade, Identical):
                sides = {
                    Path(who, prepared.served.name): path
                    for who, path in (("made", artifact), ("served", prepared.served))
                }
                folder = keep(making.workshop.state, f"served-{target.package.name}", sides)
            return Graded(
                prepared.name,
                agreed,
                grade,
                prepared.served.name,
                Sha256.of_file(prepared.served),
                Sha256.of_file(artifact),
                prepared.settings,
                prepared.notes,
                prepared.recipe,
                folder,
                alone=prepared.alone,
                unrun=prepared.unrun,
            )


def attested(
    making: Making,
    prepared: Prepared,
    found: Graded,
    reports: Sequence[Report],
    signatories: Signatories,
    out: Path,
) -> Graded:
    """The same with what was signed about it, in `out`/NAME-VERSION; of what is different nothing is,
    and of the packing step alone neither.

    Raises TallyError.
    """
    if isinstance(found.grade, Different) or not found.decided:
        return found
    (target,) = making.plan.targets.values()
    agreed, quorum, signing = found.agreed, quorum_of(making, reports), signatories.joined_by(making.builders)
    artifact = artifact_of(making, agreed, target.evaluated.artifact_path)
    facts = facts_of(making.workshop.store, target, agreed, quorum, artifact, making.decision.choice.beliefs)
    served = Served(prepared.purl, prepared.served.name, found.sha256, prepared.settings)
    materials, records = materials_of(facts), records_of(facts)
    links = [link_of(report, facts, materials, records[report.identity.name]) for report in agreed.reports]
    keys = signing.of_builders(report.identity.name for report in agreed.reports)
    link_files = gate.sign_links(agreed, quorum, links, keys)
    if isinstance(found.grade, SameContents):
        bundles = gate.sign_same_contents(
            agreed,
            quorum,
            facts,
            artifact,
            prepared.served,
            lambda grade: same_contents(facts, link_files, served, grade),
            signing.key,
            signing.witnesses,
        )
    else:
        statements = {"reproduction": reproduction(facts, link_files, served=served)}
        bundles = gate.sign(
            agreed, quorum, facts, prepared.served, statements, signing.key, signing.witnesses
        )
    files = [*link_files.values(), *bundles, *(file for each in records.values() for file in each)]
    files += facts.source
    if (root := signing.root) is not None:
        files.append(ReleaseFile.of(TRUSTED_ROOT, root.render()))
    return replace(found, evidence=written(out / prepared.label, files))
