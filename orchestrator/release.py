"""From a recipe to a signed release: the whole flow, a line a stage.

Recipe -> Derivation -> Build (one per builder) -> Agreement -> Materials -> Statements -> Bundles
-> Publication
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from orchestrator import plan as planning
from orchestrator.agreement.agreement import Agreed, Disagreed, Incomplete
from orchestrator.agreement.compare import compare
from orchestrator.agreement.independence import HERE, SAME_HOST, Party, votes
from orchestrator.builders.build import Report
from orchestrator.builders.builder import Builder
from orchestrator.builders.configuration import Configuration
from orchestrator.builders.probe import Probe
from orchestrator.builders.running import OnEvent, Task, build_everywhere
from orchestrator.builders.share import shares_of
from orchestrator.errors import TallyError
from orchestrator.evidence import provenance, reproduction, spdx, statement, terms
from orchestrator.evidence.facts import Artifact, InputFile, Package, ReleaseFacts, ReleaseFile
from orchestrator.evidence.layout import layout_of
from orchestrator.evidence.links import link_of
from orchestrator.evidence.materials import materials_of
from orchestrator.gathering import gather
from orchestrator.journal import Journal, kept
from orchestrator.key_address import KeyAddress
from orchestrator.log.trusted_root import TRUSTED_ROOT, TrustedRoot
from orchestrator.nix.chroot import ChrootStore
from orchestrator.outcome import Compared, Outcome, Released, Undecided, Unpublished
from orchestrator.plan import Plan, Target
from orchestrator.policy.policy import trusting
from orchestrator.policy.verdict import Failed
from orchestrator.publishing import directory
from orchestrator.publishing.records import records_of
from orchestrator.refusing import Attester, refuse
from orchestrator.signing import gate, signers
from orchestrator.signing.hosts import HostSigner
from orchestrator.signing.keyless import KeylessSigner, Wanted
from orchestrator.signing.keys import PublicKey, builder_key
from orchestrator.signing.passphrase import source as passphrase_source
from orchestrator.signing.signers import Signer
from orchestrator.signing.summoning import summoned
from orchestrator.signing.witnesses import Witnesses
from orchestrator.state import State
from orchestrator.verification import verify
from orchestrator.workshop import Workshop, opened

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Order:
    """What the user asked for."""

    targets: tuple[Path, ...]
    out: Path
    key: KeyAddress | None
    sign: bool
    builders: tuple[str, ...] = ()
    allow_dirty: bool = False
    passphrase_fd: int | None = None
    """An open file descriptor that gives the key's passphrase, or the token's PIN."""
    keyless: Wanted | None = None
    """Who is to sign in place of a key."""
    attest_disagreement: bool = False
    """Whether it is signed, as evidence, that builders disagree."""


@dataclass(frozen=True)
class Run:
    """One run of the whole flow: what was asked for, and what to do it with."""

    order: Order
    workshop: Workshop
    plan: Plan
    builders: Sequence[Builder]
    key: Signer | KeylessSigner | None
    witnesses: Witnesses
    hosts: Mapping[str, HostSigner]
    """By builder name, those that sign their own links."""


def release(
    state: State, configuration: Configuration, order: Order, on_event: OnEvent, say: Say
) -> tuple[Outcome, ...]:
    """What each target came to, in the order asked for. Raises TallyError for what stops all of them."""
    if order.sign:
        directory.refuse_unusable(order.out)  # before hours of building, and before anybody logs in
    key = release_key(order, say)
    witnesses = Witnesses()
    if key is not None and not isinstance(key, KeylessSigner):  # an identity's instance has its own
        witnesses = summoned(configuration.signing, state.log, key.public.kind, datetime.now(UTC))
    with opened(state, configuration) as workshop, journal_of(workshop) as journal, ExitStack() as locks:
        plan = planning.make(workshop, order.targets, allow_dirty=order.allow_dirty)
        builders = workshop.builders(order.builders, plan.lock)
        refuse_one_vote(configuration, builders)
        for builder in builders:
            builder.power.check()
        run = Run(order, workshop, plan, builders, key, witnesses, host_signers(builders))
        journal.write(
            "planned", targets=list(plan.targets), derivations=plan.requested, lock=plan.lock_digest
        )
        fetch(run, say)
        journal.write("gathered", fixed=len(plan.fixed))
        locks.enter_context(
            state.locked(
                *places(builders, plan),
                waiting=lambda: say("waiting for another run that builds the same in one of these stores"),
            )
        )
        reports = build(run, on_event)
        for report in reports:
            journal.write("built", builder=report.identity.name, **counted(report))
        outcomes = tuple(conclude(run, target, reports) for target in plan.targets.values())
        for outcome in outcomes:
            journal.write("concluded", target=outcome.target, outcome=type(outcome).__name__.lower())
        return outcomes


def refuse_one_vote(configuration: Configuration, builders: Sequence[Builder]) -> None:
    """Raises TallyError where too few votes can agree, as is certain beforehand: all are on this machine."""
    if configuration.vote != SAME_HOST and all(builder.kind in HERE for builder in builders):
        raise TallyError(
            f"{', '.join(builder.name for builder in builders)} are all on this machine, which has one vote "
            f"where `{configuration.vote}` counts, and 2 must agree",
            hint='name a builder on another host, or set `independence = "same-host"` in tally.toml',
        )


def places(builders: Sequence[Builder], plan: Plan) -> list[str]:
    """What one run at a time does: build a derivation in a folder of ours."""
    ours = [builder.name for builder in builders if isinstance(builder.store, ChrootStore)]
    return [f"{name} {derivation}" for name in ours for derivation in plan.requested]


def journal_of(workshop: Workshop) -> AbstractContextManager[Journal]:
    """The journal of this run, in the folder that holds its logs."""
    return kept(workshop.state.folder("logs", workshop.run) / "journal.jsonl")


def counted(report: Report) -> dict[str, object]:
    """A report as the journal has it."""
    return {
        "sandbox": report.sandbox is not None,
        "builds": {
            path: (build.finished - build.started).total_seconds() for path, build in report.builds.items()
        },
        "failures": [failure.reason for failure in report.failures],
    }


def release_key(order: Order, say: Say) -> Signer | KeylessSigner | None:
    """The key to sign with, tried before hours are spent on building, or the identity, which has logged in
    before; None when nothing is to be signed."""
    if not order.sign:
        if order.attest_disagreement:
            raise TallyError(
                "a disagreement cannot be attested where nothing is signed",
                hint="leave out --attest-disagreement, or --no-sign and --allow-dirty",
            )
        return None
    if order.keyless is not None:
        return KeylessSigner.opened(order.keyless, say)
    if order.key is None:
        raise TallyError(
            "there is no release key to sign with",
            hint="make one with `tally keys generate keys/release`, and give --key keys/release.key; "
            "or sign with --keyless",
        )
    return signers.opened(order.key, passphrase_source(order.passphrase_fd))


def host_signers(builders: Sequence[Builder]) -> dict[str, HostSigner]:
    """The hosts that sign their own links; their public keys are read before hours are spent on building."""
    return {
        each.name: HostSigner(PublicKey.load(each.attesting.public), each.attesting.ask, each.name)
        for each in builders
        if each.attesting
    }


def fetch(run: Run, say: Say) -> None:
    """Fetch what the builds need, check every byte, and put it into the orchestrator's store."""
    fixed = [each for one in run.plan.targets.values() for each in one.evaluated.fixed]
    gather(run.workshop, run.plan.request, fixed, run.order.targets[0].parent, say)


def build(run: Run, on_event: OnEvent) -> tuple[Report, ...]:
    """Every builder's report on every target, built at the same time in one invocation of Nix each."""
    store = run.workshop.store
    task = Task(
        orchestrator=store,
        graph=run.plan.graph,
        requested=run.plan.requested,
        fixed=run.plan.fixed,
        new_probe=lambda: Probe.of(store, run.plan.request),
    )
    return build_everywhere(task, run.builders, on_event)


def conclude(run: Run, target: Target, reports: Sequence[Report]) -> Outcome:
    """Compare one target's builds; sign and publish what agrees, and nothing else."""
    name, evaluated = target.recipe.name, target.evaluated
    configuration = run.workshop.configuration
    quorum = configuration.quorum or all_votes(run, reports)
    compared, shares = shares_of(reports, target.graph, (evaluated.package, evaluated.artifact))
    agreement = compare(
        target.graph,
        compared,
        shares,
        quorum,
        vote=configuration.vote,
        record_dissent=configuration.dissent == "record",
    )
    match agreement:
        case Incomplete() as incomplete:
            return Undecided(name, incomplete)
        case Disagreed() as disagreed:
            return refuse(target, disagreed, run.workshop, run.builders, attester_of(run, quorum))
        case Agreed() as agreed:
            artifact = artifact_of(run, agreed, evaluated.artifact_path)
            if run.key is None or run.plan.dirty:
                return Compared(name, agreed, artifact, why_unsigned(run))
            try:
                return publish(run, target, agreed, quorum, artifact, run.key)
            except TallyError as error:  # what stops one release does not lose the others
                return Unpublished(name, agreed, error)


def attester_of(run: Run, quorum: int) -> Attester | None:
    """What signs a disagreement; None: it was not asked for."""
    if run.key is None or not run.order.attest_disagreement:
        return None
    return Attester(run.key, run.witnesses, root_of(run), run.hosts, quorum)


def why_unsigned(run: Run) -> str:
    """Why nothing of a run is signed that could be."""
    if run.plan.dirty:
        return f"the source {run.plan.dirty[0]} has uncommitted changes"
    return "--allow-dirty was given" if run.order.allow_dirty else "--no-sign was given"


def all_votes(run: Run, reports: Sequence[Report]) -> int:
    """How many votes there are, spares aside, never fewer than two: the quorum where none is configured."""
    spares = {builder.name for builder in run.builders if builder.spare}
    asked = [Party.of(report.identity) for report in reports if report.identity.name not in spares]
    return max(2, votes(asked, run.workshop.configuration.vote))


def artifact_of(run: Run, agreed: Agreed, path: str) -> Path:
    """The artifact's file, from a builder that agreed: one on this machine where there is one."""
    names = {report.identity.name for report in agreed.reports}
    agreeing = [builder for builder in run.builders if builder.name in names]
    nearest = min(agreeing, key=lambda builder: builder.kind != "local")
    return nearest.store.bring(path)


def publish(
    run: Run, target: Target, agreed: Agreed, quorum: int, artifact: Path, key: Signer | KeylessSigner
) -> Released:
    """Materials, statements, bundles, and the release folder that holds them."""
    facts = facts_of(run, target, agreed, quorum, artifact)
    materials = materials_of(facts)
    sbom = spdx.document(facts, materials)
    sbom_file = spdx.release_file(facts, sbom)
    records = records_of(facts)
    links = [link_of(report, facts, materials, records[report.identity.name]) for report in agreed.reports]
    names = [report.identity.name for report in agreed.reports]
    own = run.workshop.state.folder("keys")
    keys = {each: run.hosts.get(each) or builder_key(own, each) for each in names}
    link_files = gate.sign_links(agreed, quorum, links, keys)
    layout = layout_of(facts, {each.public.keyid: each.public.pem for each in keys.values()})
    byproducts = [
        *link_files.values(),
        *gate.sign_layout(agreed, quorum, layout, key),
        sbom_file,
        *(f for record in records.values() for f in record),
    ]
    if (root := root_of(run)) is not None:
        byproducts.append(ReleaseFile.of(TRUSTED_ROOT, root.render()))
    provenance_statement = provenance.provenance(facts, materials, byproducts)
    reproduction_statement = reproduction.reproduction(facts, link_files)
    statements = {
        "provenance": provenance_statement,
        "reproduction": reproduction_statement,
        "sbom-spdx": statement.make(facts, terms.SPDX, sbom),
    }
    bundles = gate.sign(agreed, quorum, facts, artifact, statements, key, run.witnesses)
    published = directory.publish(
        run.order.out,
        facts,
        artifact,
        provenance_statement,
        reproduction_statement,
        [*byproducts, *bundles],
        key.signed_as if isinstance(key, KeylessSigner) else key.public,
    )
    folder = published.path
    if published.kept:
        refuse_unless_whole(folder, key)
    return Released(target.recipe.name, agreed, folder, folder / facts.artifact.file_name, published.kept)


def root_of(run: Run) -> TrustedRoot | None:
    """What the bundles of a release can be checked with, where somebody vouches for them."""
    return run.key.instance.root if isinstance(run.key, KeylessSigner) else run.witnesses.root


def refuse_unless_whole(folder: Path, key: Signer | KeylessSigner) -> None:
    """A release that was there before counts as this one only if it passes verification."""
    now = datetime.now(UTC)
    if isinstance(key, KeylessSigner):
        verdict = verify(folder, trusting([], key.signed_as), now, trusted=key.instance.root)
    else:
        verdict = verify(folder, trusting([key.public.spki]), now)
    if isinstance(verdict, Failed):
        reasons = "\n".join(f"  {reason.code}: {reason.sentence}" for reason in verdict.reasons)
        raise TallyError(
            f"{folder} is there already and does not pass verification:\n{reasons}",
            hint="releases are never overwritten: move it away, and build again",
        )


def facts_of(run: Run, target: Target, agreed: Agreed, quorum: int, artifact: Path) -> ReleaseFacts:
    """What was observed, gathered for the evidence."""
    recipe, store = target.recipe, run.workshop.store
    sha256, size, _ = gate.measure(artifact)
    builds = [report.builds[path] for report in agreed.reports for path in agreed.outputs]
    sources = {path for drv in target.graph.derivations.values() for path in drv.input_sources}
    return ReleaseFacts(
        package=Package(
            recipe.name,
            recipe.version,
            run.plan.request["system"],
            recipe.summary,
            recipe.homepage,
            recipe.license,
        ),
        artifact=Artifact(target.evaluated.artifact_file_name, sha256, size),
        target=recipe.name,
        package_derivation=target.evaluated.package,
        artifact_derivation=target.evaluated.artifact,
        graph=target.graph,
        agreed=agreed,
        quorum=quorum,
        input_sources={path: info.nar_hash for path, info in store.information(sources).items()},
        licences={p.sha256: p.license for p in run.plan.lock.package if p.license is not None},
        toolchains=target.toolchains,
        recipe=InputFile(target.file.name, target.file_digest),
        lock=InputFile(run.plan.lock_file.name, run.plan.lock_digest),
        started=min(build.started for build in builds),
        finished=max(build.finished for build in builds),
        invocation_id=str(uuid.uuid4()),
    )
