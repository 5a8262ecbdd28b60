"""What is made in one run and with what: from a plan to the builders' reports, and what these come to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator.agreement.agreement import Agreed, Agreement
from orchestrator.agreement.compare import compare
from orchestrator.agreement.independence import HERE, SAME_HOST, Party, votes
from orchestrator.builders.build import Report
from orchestrator.builders.builder import Builder
from orchestrator.builders.configuration import Configuration
from orchestrator.builders.probe import Probe
from orchestrator.builders.running import OnEvent, Task, build_everywhere
from orchestrator.builders.share import shares_of
from orchestrator.builders.variation import NO_VARIATION
from orchestrator.caches.choosing import Reach
from orchestrator.caches.supplying import supplies_of
from orchestrator.ground.errors import TallyError
from orchestrator.ledger.judging import Judgement, judge
from orchestrator.ledger.reading import read
from orchestrator.ledger.writing import Pen
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.derivation import called
from orchestrator.nix.events import Event, Expected
from orchestrator.recipe.lock import Lock
from orchestrator.run.account import Account
from orchestrator.run.believing import Decision, decided
from orchestrator.run.deepening import SHALLOW, Deep, deepened
from orchestrator.run.fetching import fetch_foreign
from orchestrator.run.gathering import gather
from orchestrator.run.journal import Journal, kept
from orchestrator.run.plan import Plan, Target
from orchestrator.run.workshop import Workshop
from orchestrator.sources.supply import Located, Supply

Say = Callable[[str], None]


@dataclass(frozen=True)
class Making:
    """What is to be made, and who makes it."""

    workshop: Workshop
    plan: Plan
    builders: Sequence[Builder]
    decision: Decision
    """Which inputs are believed."""
    account: Account = field(kw_only=True)
    """What is written into the ledger of it."""
    deep: Deep = field(default=SHALLOW, kw_only=True)
    """Which inputs are built for their own sake."""


def making_of(workshop: Workshop, plan: Plan, names: Sequence[str], reach: Reach, say: Say) -> Making:
    """A plan with those of the configured builders that are named, all if none is. Raises TallyError."""
    builders = willing(workshop, names, plan.lock, plan.system)
    decision = believed(workshop, plan, reach, say)
    deep = deepened(workshop, plan, builders, decision, 0, say)
    account = account_of(workshop, plan, builders, deep, say)
    return Making(workshop, plan, builders, decision, account=account, deep=deep)


def account_of(workshop: Workshop, plan: Plan, builders: Sequence[Builder], deep: Deep, say: Say) -> Account:
    """What is to be written into the ledger; nothing is yet."""
    pen = Pen(workshop.state, workshop.run)
    by_name = {builder.name: builder for builder in builders}
    return Account(pen, plan.graph, by_name, frozenset(deep.known), say)


def willing(workshop: Workshop, names: Sequence[str], lock: Lock | None, system: str) -> Sequence[Builder]:
    """The builders, who can agree and can build: known before anything is done. Raises TallyError."""
    builders = workshop.builders(names, lock, system)
    refuse_one_vote(workshop.configuration, builders)
    for builder in builders:
        builder.power.check()
    return builders


def keeping_failed(builders: Sequence[Builder]) -> Sequence[Builder]:
    """The same, of whom embedded ones keep the folder of a build that fails; others' hosts keep nothing."""
    return [
        replace(each, limits=replace(each.limits, keep=True)) if each.kind == "local" else each
        for each in builders
    ]


def believed(workshop: Workshop, plan: Plan, reach: Reach, say: Say, *, depth: int = 0) -> Decision:
    """Which inputs are believed, and that is said."""
    decision = decided(workshop, plan, reach, say, depth)
    if decision.told is not None:
        say(decision.told)
    return decision


def journal_of(workshop: Workshop) -> AbstractContextManager[Journal]:
    """The journal of this run, in the folder that holds its logs."""
    return kept(workshop.state.folder("logs", workshop.run) / "journal.jsonl")


def alone(making: Making, say: Say) -> AbstractContextManager[None]:
    """While no other run builds the same in a store of ours."""
    return making.workshop.state.locked(
        *places(making.builders, (*making.plan.requested, *making.deep.requested)),
        waiting=lambda: say("waiting for another run that builds the same in one of these stores"),
    )


def fetch(making: Making, say: Say, supplies: Sequence[Supply] = ()) -> tuple[Located, ...]:
    """Fetch what the builds need, check every byte, and put it into the orchestrator's store.

    Gives what was fetched by us, and where it was found.
    """
    located = list(making.plan.located)
    caches = supplies_of(making.decision.caches, making.workshop.store.nix.scratch)
    requests = {id(target.request): target for target in making.plan.targets.values()}
    for kind, one in requests.items():
        alike = [target for target in making.plan.targets.values() if id(target.request) == kind]
        fixed = [each for target in alike for each in target.evaluated.fixed]
        located += gather(making.workshop, one.request, fixed, one.folder, say, (*supplies, *caches))
    foreign = [each for one in making.plan.targets.values() for each in one.foreign]
    needed = making.decision.to_fetch(foreign)
    located += fetch_foreign(making.workshop, needed, say, making.decision.caches, supplies)
    making.decision.take(making.workshop, say)
    return tuple(located)


def build(making: Making, on_event: OnEvent, journal: Journal) -> tuple[Report, ...]:
    """Every builder's report on every target, built at the same time in one invocation of Nix each."""
    store, account = making.workshop.store, making.account
    task = Task(
        orchestrator=store,
        graph=making.plan.graph,
        requested=(*making.plan.requested, *making.deep.requested),
        fixed=fixed_for(making),
        new_probe=lambda: Probe.of(store, making.plan.request),
        beliefs=making.decision.choice.beliefs,
        watch=account,
        known=making.deep.by_builder(),
        repeat=making.deep.repeat,
        abandoned=making.deep.abandoned,
    )

    def heard(name: str, event: Event) -> None:
        account.take(name, event)
        on_event(name, foretold(making, name, event) if isinstance(event, Expected) else event)

    account.begin(making.workshop.configuration.quorum, making.workshop.configuration.vote)
    with account.following():
        reports = build_everywhere(task, making.builders, heard)
    account.close(reports, judgement_of(making, reports))
    for report in reports:
        journal.write("built", builder=report.identity.name, **counted(report))
    return reports


def foretold(making: Making, builder: str, expected: Expected) -> Expected:
    """What a builder is going to build, with how long each took it last, by the ledger."""
    names = {drv: called(drv) for drv in expected.inputs}
    try:
        with read(making.workshop.state) as ledger:
            times = ledger.times(sorted(set(names.values())))
    except TallyError:  # a view is worth no error
        return expected
    known = {drv: times[builder, name] for drv, name in names.items() if (builder, name) in times}
    return Expected(expected.inputs, known)


def judgement_of(making: Making, reports: Sequence[Report]) -> Judgement:
    """What became of every derivation of the plan."""
    vote, graph = making.workshop.configuration.vote, making.plan.graph
    return judge(graph, reports, quorum_of(making, reports), vote, varied=is_varied(making))


def is_varied(making: Making) -> bool:
    """Whether some builder's surroundings were made to differ from another's."""
    return any(each.variation != NO_VARIATION or each.kind == "vm" for each in making.builders)


def fixed_for(making: Making) -> tuple[str, ...]:
    """The fixed outputs that every builder needs: all of ours, and those of others that are built with."""
    foreign = [each for one in making.plan.targets.values() for each in one.foreign]
    needed = {each.path for each in making.decision.to_fetch(foreign)}
    left = {each.fixed.path for each in foreign if each.fixed is not None and each.path not in needed}
    return tuple(path for path in making.plan.fixed if path not in left)


def agreement_on(making: Making, target: Target, reports: Sequence[Report]) -> Agreement:
    """What the builders' reports come to for one target."""
    configuration, evaluated = making.workshop.configuration, target.evaluated
    requested = (evaluated.package, evaluated.artifact)
    return compare(
        target.graph,
        requested,
        shares_of(reports, target.graph, requested),
        quorum_of(making, reports),
        vote=configuration.vote,
        record_dissent=configuration.dissent == "record",
    )


def quorum_of(making: Making, reports: Sequence[Report]) -> int:
    """How many builders have to agree."""
    return making.workshop.configuration.quorum or all_votes(making, reports)


def all_votes(making: Making, reports: Sequence[Report]) -> int:
    """How many votes there are, spares aside, never fewer than two: the quorum where none is configured."""
    spares = {builder.name for builder in making.builders if builder.spare}
    asked = [Party.of(report.identity) for report in reports if report.identity.name not in spares]
    return max(2, votes(asked, making.workshop.configuration.vote))


def artifact_of(making: Making, agreed: Agreed, path: str) -> Path:
    """The artifact's file, from a builder that agreed: one on this machine where there is one."""
    nearest = min(agreeing(making, agreed), key=lambda builder: builder.kind != "local")
    return nearest.store.bring(path)


def agreeing(making: Making, agreed: Agreed) -> list[Builder]:
    """The builders that agreed."""
    names = {report.identity.name for report in agreed.reports}
    return [builder for builder in making.builders if builder.name in names]


def places(builders: Sequence[Builder], derivations: Sequence[str]) -> list[str]:
    """What one run at a time does: build a derivation in a folder of ours."""
    ours = [builder.name for builder in builders if isinstance(builder.store, ChrootStore)]
    return [f"{name} {derivation}" for name in ours for derivation in derivations]


def refuse_one_vote(configuration: Configuration, builders: Sequence[Builder]) -> None:
    """Raises TallyError where too few votes can agree, as is certain beforehand: all are on this machine."""
    if configuration.vote != SAME_HOST and all(builder.kind in HERE for builder in builders):
        raise TallyError(
            f"{', '.join(builder.name for builder in builders)} are all on this machine, which has one vote "
            f"where `{configuration.vote}` counts, and 2 must agree",
            hint='name a builder on another host, or set `independence = "same-host"` in tally.toml',
        )


def counted(report: Report) -> dict[str, object]:
    """A report as the journal has it."""
    return {
        "sandbox": report.sandbox is not None,
        "builds": {
            path: (build.finished - build.started).total_seconds() for path, build in report.builds.items()
        },
        "failures": [failure.reason for failure in report.failures],
    }
