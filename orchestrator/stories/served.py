"""From a name in a registry to how alike what it serves and what its source makes are: a line a stage.

Release, as the index has it -> Recipe and lock -> Derivation -> Build (one per builder) -> Agreement -> Grade
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.agreement.agreement import Agreed, Disagreed, Incomplete
from orchestrator.agreement.keeping import keep
from orchestrator.builders.build import Report
from orchestrator.builders.configuration import Configuration
from orchestrator.builders.running import OnEvent
from orchestrator.caches.choosing import ALL, Reach
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import contents
from orchestrator.ground.state import State
from orchestrator.recipe.mirrors import Mirrors
from orchestrator.recipe.sources import Sources
from orchestrator.run import recipes
from orchestrator.run.believing import decided
from orchestrator.run.graded import Graded
from orchestrator.run.journal import kept
from orchestrator.run.making import (
    Making,
    Say,
    agreement_on,
    artifact_of,
    build,
    counted,
    fetch,
    places,
    quorum_of,
    refuse_one_vote,
)
from orchestrator.run.outcome import Undecided
from orchestrator.run.reproduced import Rebuilt, Unmade
from orchestrator.run.workshop import Workshop, opened
from orchestrator.served import zip_comparison
from orchestrator.served.grade import Grade, Identical
from orchestrator.served.index import Index
from orchestrator.served.named import Named
from orchestrator.served.zipfiles import OddZipError
from orchestrator.stories.preparing import LARGEST, Prepared, prepare
from orchestrator.stories.refusing import refuse


@dataclass(frozen=True, slots=True)
class Asked:
    """What the user asked for."""

    names: tuple[Named, ...]
    recipes: Path | None = None
    """Where recipes and locks are put, and taken from; None: they go into the state folder."""
    builders: tuple[str, ...] = ()
    reach: Reach = ALL


def rebuild(
    state: State, configuration: Configuration, asked: Asked, on_event: OnEvent, say: Say
) -> tuple[Rebuilt, ...]:
    """What each name came to, in the order asked for. Raises TallyError for what stops all of them."""
    mirrors = Mirrors(configuration.mirrors)
    sources = Sources(state.folder("sources"), mirrors)
    index = Index(mirrors, sources.downloader)
    found: list[Rebuilt] = []
    for named in asked.names:
        try:
            prepared = prepare(named, index, sources, mirrors, state, asked.recipes, say)
            found.append(_rebuilt(state, configuration, asked, prepared, on_event, say))
        except TallyError as error:  # what stops one does not lose the others
            found.append(Unmade(str(named), error))
    return tuple(found)


def _rebuilt(
    state: State, configuration: Configuration, asked: Asked, prepared: Prepared, on_event: OnEvent, say: Say
) -> Rebuilt:
    with opened(state, configuration) as workshop:
        making = planned(workshop, prepared, asked, say)
        with (
            kept(state.folder("logs", workshop.run) / "journal.jsonl") as journal,
            state.locked(
                *places(making.builders, making.plan),
                waiting=lambda: say("waiting for another run that builds the same in one of these stores"),
            ),
        ):
            journal.write("planned", served=prepared.name, derivations=making.plan.requested)
            fetch(making, say)
            reports = build(making, on_event)
            for report in reports:
                journal.write("built", builder=report.identity.name, **counted(report))
            found = conclude(making, prepared, reports)
            journal.write("concluded", target=prepared.name, outcome=type(found).__name__.lower())
            return found


def planned(workshop: Workshop, prepared: Prepared, asked: Asked, say: Say) -> Making:
    """What is to be built, by whom. Raises TallyError."""
    plan = recipes.planned(workshop, [prepared.recipe])
    builders = workshop.builders(asked.builders, plan.lock)
    refuse_one_vote(workshop.configuration, builders)
    for builder in builders:
        builder.power.check()
    decision = decided(workshop, plan, asked.reach, say)
    if decision.told is not None:
        say(decision.told)
    return Making(workshop, plan, builders, decision)


def conclude(making: Making, prepared: Prepared, reports: Sequence[Report]) -> Rebuilt:
    """Compare the builds with one another, and what they agree on with what is served."""
    (target,) = making.plan.targets.values()
    match agreement_on(making, target, reports):
        case Incomplete() as incomplete:
            return Undecided(prepared.name, incomplete)
        case Disagreed() as disagreed:
            quorum = quorum_of(making, reports)
            refused = refuse(target, disagreed, making.workshop, making.builders, quorum, None)
            return replace(refused, target=prepared.name)
        case Agreed() as agreed:
            artifact = artifact_of(making, agreed, target.evaluated.artifact_path)
            grade = graded(prepared, artifact)
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
            )


def graded(prepared: Prepared, artifact: Path) -> Grade:
    """How alike they are. Raises TallyError for a served file that cannot be read to the last byte."""
    try:
        return zip_comparison.compare(contents(artifact, LARGEST), contents(prepared.served, LARGEST))
    except OddZipError as error:
        raise TallyError(f"{prepared.served.name}, as it is served, cannot be compared: {error}") from error
    except OSError as error:
        raise TallyError(f"cannot read {error.filename}: {error.strerror or error}") from error
