"""From a recipe to a signed release: the whole flow, a line a stage.

Recipe -> Derivation -> Build (one per builder) -> Agreement -> Materials -> Statements -> Bundles
-> Publication
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.agreement.agreement import Agreed, Disagreed, Incomplete
from orchestrator.builders.build import Report
from orchestrator.builders.configuration import Configuration
from orchestrator.builders.running import OnEvent
from orchestrator.clients.clients import Clients
from orchestrator.evidence import provenance, reproduction
from orchestrator.evidence.facts import Carried, ReleaseFile
from orchestrator.evidence.layout import layout_of
from orchestrator.evidence.links import link_of
from orchestrator.evidence.materials import materials_of
from orchestrator.evidence.sbom.forms import release_file, statement_name
from orchestrator.evidence.sbom.forms import statements as sbom_statements
from orchestrator.evidence.sbom.released import bill_of
from orchestrator.ground.errors import TallyError
from orchestrator.ground.state import State
from orchestrator.ground.wording import counted
from orchestrator.log.trusted_root import TRUSTED_ROOT
from orchestrator.policy.policy import trusting
from orchestrator.policy.signer import IdentitySigner
from orchestrator.policy.verdict import Failed
from orchestrator.publishing import directory, drafts
from orchestrator.publishing.directory import Published
from orchestrator.publishing.records import records_of
from orchestrator.publishing.remarks import remarks_on_closure
from orchestrator.run import planning
from orchestrator.run.deepening import ALL_THE_WAY, deepened
from orchestrator.run.journal import Journal
from orchestrator.run.making import (
    Making,
    Say,
    account_of,
    agreeing,
    agreement_on,
    alone,
    artifact_of,
    believed,
    build,
    fetch,
    journal_of,
    keeping_failed,
    quorum_of,
    willing,
)
from orchestrator.run.observation import facts_of
from orchestrator.run.order import Order
from orchestrator.run.outcome import Compared, Outcome, Released, Undecided, Unpublished
from orchestrator.run.parts import parts_of_release, told_of, unpacked
from orchestrator.run.plan import Target
from orchestrator.run.remembering import depth_of, remember
from orchestrator.run.scheduling import left_for_later, oldest_first
from orchestrator.run.signatories import Signatories, summon
from orchestrator.run.workshop import opened
from orchestrator.signing import gate
from orchestrator.signing.keyless import KeylessSigner
from orchestrator.stories import voting
from orchestrator.stories.beforehand import refused_beforehand, tell_of_commit
from orchestrator.stories.refusing import refuse
from orchestrator.stories.verification import verify


@dataclass(frozen=True)
class Run(Making):
    """One run of the whole flow: what is made, and who signs and reads what comes of it."""

    order: Order
    signatories: Signatories | None
    """None when nothing is to be signed."""
    clients: Clients
    """Who read what is to be published; called when something is to be signed."""
    closure: voting.Asked | None = None
    """How many operators have to carry what is signed; None: nobody is asked but the builders."""


def release(
    state: State, configuration: Configuration, order: Order, on_event: OnEvent, say: Say
) -> tuple[Outcome, ...]:
    """What each target came to, in the order asked for. Raises TallyError for what stops all of them."""
    if order.sign:
        drafts.refuse_unusable(order.out)  # before hours of building, and before anybody logs in
    signatories = summon(order, configuration, state, say)
    with (
        opened(state, configuration, lambda: say("waiting for `tally clean`")) as workshop,
        Clients(workshop.store.nix.scratch) as clients,
        journal_of(workshop) as journal,
        ExitStack() as locks,
    ):
        closure = None
        if signatories is not None:
            clients.call()
            closure = asked_of_operators(state, configuration, order, signatories)
        plan = planning.make(workshop, order.targets, order.how, allow_dirty=order.allow_dirty)
        if order.oldest is not None:
            later = left_for_later(state, plan, order.oldest)
            plan = plan.without(later)
            say(f"building {len(plan.targets)} of {counted(len(plan.targets) + len(later), 'target')}")
        builders = willing(workshop, order.builders, plan.lock, plan.system)
        if order.keep_failed:
            builders = keeping_failed(builders)
        refused = refused_beforehand(
            order.out, plan, signatories, require_commit=configuration.require_commit, closure=closure
        )
        asked, plan = tuple(plan.targets), oldest_first(state, plan.without(refused))
        if signatories is not None and not plan.dirty:
            tell_of_commit(plan, configuration, say)
        if signatories is not None:
            clients.refuse_names(each.evaluated.artifact_file_name for each in plan.targets.values())
            signatories = signatories.joined_by(builders)
        decision = believed(workshop, plan, order.reach, say, depth=order.depth)
        if closure is not None and not plan.dirty:
            for name, target in plan.targets.items():
                closure.refuse_believed(name, len(decision.choice.beliefs.of(target.graph).paths))
        deep = deepened(
            workshop, plan, builders, decision, order.depth, say, again=order.again, repeat=order.repeat
        )
        account = account_of(workshop, plan, builders, deep, say)
        run = Run(
            workshop,
            plan,
            builders,
            decision,
            order,
            signatories,
            clients,
            closure,
            account=account,
            deep=deep,
        )
        journal.write(
            "planned",
            targets=list(plan.targets),
            derivations=plan.requested,
            lock=plan.lock_file.sha256 if plan.lock_file is not None else None,
        )
        if not plan.targets:
            return noted(journal, tuple(refused.values()))
        fetch(run, say)
        journal.write("gathered", fixed=len(plan.fixed))
        locks.enter_context(alone(run, say))
        clients.refuse_unusable()  # before hours of building, too
        reports = build(run, on_event, journal)
        concluded = {
            name: remembered(run, target, conclude(run, target, reports, say))
            for name, target in plan.targets.items()
        }
        return noted(journal, tuple(refused.get(name) or concluded[name] for name in asked))


def asked_of_operators(
    state: State, configuration: Configuration, order: Order, signatories: Signatories
) -> voting.Asked | None:
    """How many operators have to carry what is signed, with what others signed. Raises TallyError."""
    key = signatories.key
    keys = () if isinstance(key, KeylessSigner) else (key.public.keyid,)
    return voting.asked_of(state, configuration, order.evidence, keys)


def noted(journal: Journal, outcomes: tuple[Outcome, ...]) -> tuple[Outcome, ...]:
    """What each target came to, once the journal has it."""
    for outcome in outcomes:
        journal.write("concluded", target=outcome.target, outcome=type(outcome).__name__.lower())
    return outcomes


def remembered(run: Run, target: Target, outcome: Outcome) -> Outcome:
    """What a target came to, once the ledger has it; what agreed says how deep it did."""
    remember(run, target, outcome)
    if isinstance(outcome, Released | Compared):
        return replace(outcome, depth=depth_of(run, target))
    return outcome


def conclude(run: Run, target: Target, reports: Sequence[Report], say: Say) -> Outcome:
    """Compare one target's builds; sign and publish what agrees, and nothing else."""
    name, quorum = target.asked, quorum_of(run, reports)
    match agreement_on(run, target, reports):
        case Incomplete() as incomplete:
            return Undecided(name, incomplete)
        case Disagreed() as disagreed:
            attesters = run.signatories if run.order.attest_disagreement else None
            tell = say if run.order.diagnose else None
            return refuse(target, disagreed, run.workshop, run.builders, quorum, attesters, tell)
        case Agreed() as agreed:
            artifact = artifact_of(run, agreed, target.evaluated.artifact_path)
            stores = [each.store for each in agreeing(run, agreed)]
            inside = unpacked(stores, target.graph, target.evaluated.artifact, agreed, target.dependencies)
            if (unmeant := told_of(name, inside, target.dependencies)) is not None:
                say(unmeant)
            if run.signatories is None or run.plan.dirty:
                return Compared(name, agreed, artifact, why_unsigned(run))
            try:
                carried = None
                if run.closure is not None:
                    carried = run.closure.carried(name, target.graph, agreed)
                    for told in voting.unlike(carried):
                        say(f"{name}: {told}")
                return publish(run, target, agreed, quorum, artifact, run.signatories, inside, carried)
            except TallyError as error:  # what stops one release does not lose the others
                return Unpublished(name, agreed, error)


def why_unsigned(run: Run) -> str:
    """Why nothing of a run is signed that could be."""
    if run.plan.dirty:
        return f"the source {run.plan.dirty[0]} has uncommitted changes"
    return "--allow-dirty was given" if run.order.allow_dirty else "--no-sign was given"


def publish(
    run: Run,
    target: Target,
    agreed: Agreed,
    quorum: int,
    artifact: Path,
    signatories: Signatories,
    inside: Mapping[str, frozenset[str]],
    carried: Carried | None = None,
) -> Released:
    """Materials, statements, bundles, and the release folder that holds them. `inside`: `Parts.unpacked`."""
    facts = facts_of(
        run.workshop.store,
        target,
        agreed,
        quorum,
        artifact,
        run.decision.choice.beliefs,
        depth=depth_of(run, target),
        deep=run.order.depth >= ALL_THE_WAY,
        carried=carried,
    )
    materials = materials_of(facts)
    stores = [each.store for each in agreeing(run, agreed)]
    bill = bill_of(facts, materials, parts_of_release(stores, facts, inside))
    sboms = sbom_statements(facts, bill)
    sbom_files = {
        form: release_file(facts.package.name, form, made.predicate) for form, made in sboms.items()
    }
    for form, file in sbom_files.items():
        run.clients.accept_document(form, file)
    records = records_of(facts)
    links = [link_of(report, facts, materials, records[report.identity.name]) for report in agreed.reports]
    keys = signatories.of_builders(report.identity.name for report in agreed.reports)
    link_files = gate.sign_links(agreed, quorum, links, keys)
    layout = layout_of(facts, {each.public.keyid: each.public.pem for each in keys.values()})
    layout_files = gate.sign_layout(agreed, quorum, layout, signatories.key)
    run.clients.accept_links(facts, [*link_files.values(), *layout_files], artifact, signatories.key)
    byproducts = [
        *link_files.values(),
        *layout_files,
        *sbom_files.values(),
        *(f for record in records.values() for f in record),
        *facts.source,
    ]
    if (root := signatories.root) is not None:
        byproducts.append(ReleaseFile.of(TRUSTED_ROOT, root.render()))
    provenance_statement = provenance.provenance(facts, materials, byproducts)
    reproduction_statement = reproduction.reproduction(facts, link_files)
    statements = {
        "provenance": provenance_statement,
        "reproduction": reproduction_statement,
        **{statement_name(form): made for form, made in sboms.items()},
    }
    bundles = gate.sign(agreed, quorum, facts, artifact, statements, signatories.key, signatories.witnesses)
    published = directory.publish(
        run.order.out,
        facts,
        artifact,
        provenance_statement,
        reproduction_statement,
        [*byproducts, *bundles],
        signatories.signer,
    )
    folder = published.path
    if published.kept:
        refuse_unless_whole(folder, signatories)
        refuse_uncommitted(published, run.workshop.configuration)
    told = remarks_on_closure(folder, carried.operators) if published.kept and carried is not None else ()
    return Released(
        target.asked,
        agreed,
        folder,
        folder / facts.artifact.file_name,
        published.kept,
        (*published.remarks, *told),
    )


def refuse_uncommitted(published: Published, configuration: Configuration) -> None:
    """Raises TallyError where tally.toml asks for a commit, and the release that is kept is of another."""
    if configuration.require_commit and published.remarks:
        raise directory.of_another_commit(published.path, published.remarks)


def refuse_unless_whole(folder: Path, signatories: Signatories) -> None:
    """A release that was there before counts as this one only if it passes verification."""
    now = datetime.now(UTC)
    if isinstance(signatories.signer, IdentitySigner):
        verdict = verify(folder, trusting([], signatories.signer), now, trusted=signatories.root)
    else:
        verdict = verify(folder, trusting([signatories.signer.spki]), now)
    if isinstance(verdict, Failed):
        reasons = "\n".join(f"  {reason.code}: {reason.sentence}" for reason in verdict.reasons)
        raise TallyError(
            f"{folder} is there already and does not pass verification:\n{reasons}",
            hint="releases are never overwritten: move it away, and build again",
        )
