"""From a release and what is here to whether a change leaves the artifact the same: a line a stage.

Verdict -> Derivation, of the target as it is here -> Build (one per builder) -> Agreement -> the artifact's
digest, beside the release's
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orchestrator.agreement.agreement import Agreed, Disagreed, Incomplete
from orchestrator.agreement.difference import differences
from orchestrator.agreement.keeping import folder_of, keep
from orchestrator.agreement.trees import Side
from orchestrator.builders.configuration import Configuration
from orchestrator.builders.running import OnEvent
from orchestrator.evidence.canonical import MalformedError, member
from orchestrator.evidence.kept import RELEASE
from orchestrator.ground.errors import TallyError
from orchestrator.ground.state import State
from orchestrator.policy.verdict import Failed, Passed
from orchestrator.publishing.reference import Reference
from orchestrator.recipe.recipe import ArtifactPart
from orchestrator.run import planning
from orchestrator.run.asked import Asked as Target
from orchestrator.run.asked import RecipeFile, parse
from orchestrator.run.claim import Claim, claim_of
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
)
from orchestrator.run.order import How
from orchestrator.run.plan import Plan
from orchestrator.run.reproduced import Changed, Rebuilt, Same, Unmade, Unverified
from orchestrator.run.workshop import Workshop, opened
from orchestrator.signing import gate
from orchestrator.stories.rebuild import Asked, can_be_built, examined
from orchestrator.stories.refusing import unagreed

HERE: Final = "here"
"""What the other side is called."""
_WHAT: Final = "its request"


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a change is to do to the artifact."""

    same: bool
    target: Target | None = None
    """What is built; None: what the release names, as it is here."""


def check(
    state: State,
    configuration: Configuration,
    asked: Asked,
    expected: Expectation,
    on_event: OnEvent,
    say: Say,
) -> tuple[Rebuilt, ...]:
    """What the change does to each release's artifact, in the order asked for. Nothing is signed."""
    found: list[Rebuilt] = []
    for release in asked.releases:
        try:
            with opened(state, configuration) as workshop:
                found.append(_checked(workshop, asked, release, expected, on_event, say))
        except TallyError as error:  # what stops one does not lose the others
            found.append(Unmade(str(release), error))
    return tuple(found)


def _checked(
    workshop: Workshop,
    asked: Asked,
    release: Path | Reference,
    expected: Expectation,
    on_event: OnEvent,
    say: Say,
) -> Rebuilt:
    folder, examination, supplies, _ = examined(release, workshop, asked)
    if isinstance(examination.verdict, Failed) and not asked.unverified:
        return Unverified(str(release), examination.verdict, can_be_built(folder, examination))
    claim = claim_of(folder, examination.read)
    plan = planned(workshop, claim, expected.target, say)
    (target,) = plan.targets.values()
    same = (target.evaluated.package, target.evaluated.artifact) == (claim.package, claim.artifact)
    if same and isinstance(examination.verdict, Passed):  # else its artifact is what anybody put there
        return Same(
            claim.name, target.asked, claim.artifact_file, claim.sha256, agreed=None, expected=expected.same
        )
    making = making_of(workshop, plan, asked.builders, asked.reach, say)
    with (
        journal_of(workshop) as journal,
        alone(making, say),
    ):
        journal.write("planned", comparing=claim.name, derivations=plan.requested)
        fetch(making, say, supplies)
        reports = build(making, on_event, journal)
        match agreement_on(making, target, reports):
            case Disagreed() | Incomplete() as found:
                return unagreed(making, target, found, reports, claim.name)
            case Agreed() as agreed:
                return compared(making, claim, agreed, expected)


def planned(workshop: Workshop, claim: Claim, target: Target | None, say: Say) -> Plan:
    """The target as it is here, packed as the release is. Raises TallyError."""
    wanted = target if target is not None else _named_by(claim)
    how = How() if claim.is_recipe else How(artifact=_packing(claim))
    plan = planning.make(workshop, [wanted], how, allow_dirty=True)
    for place in plan.dirty:
        say(f"the source {place} has uncommitted changes, which are built, too")
    return plan


def _named_by(claim: Claim) -> Target:
    """What the release names, looked for here. Raises TallyError where that says nothing here."""
    if claim.is_recipe:
        file = Path("recipes", f"{claim.target}.toml")
        if not file.is_file():
            raise TallyError(
                f"{claim.name} is made from the recipe {claim.target}, and there is no {file} here",
                hint="go to the folder that holds recipes/, or name the recipe with --target",
            )
        return RecipeFile(file)
    if claim.target.startswith("#"):
        return parse(f".{claim.target}")
    raise TallyError(
        f"{claim.name} is made from {claim.target}, which names nothing in this folder",
        hint="name what is to be built with --target",
    )


def _packing(claim: Claim) -> ArtifactPart:
    """How the release's artifact is packed, where no recipe says it. Raises TallyError."""
    try:
        (asked,) = member(claim.request(), "targets", list, _WHAT)
        packed = member(asked, "artifact", dict, _WHAT)
        said = {"format": member(packed, "format", str, _WHAT), "path": packed.get("path")}
        return ArtifactPart.model_validate({key: value for key, value in said.items() if value is not None})
    except (MalformedError, ValueError) as error:
        raise TallyError(f"the release {claim.name}: {_WHAT} is not one for one target: {error}") from error


def compared(making: Making, claim: Claim, agreed: Agreed, expected: Expectation) -> Same | Changed:
    """What the builders agree on, beside what the release has."""
    (target,) = making.plan.targets.values()
    artifact = artifact_of(making, agreed, target.evaluated.artifact_path)
    sha256, name = gate.measure(artifact)[0], target.evaluated.artifact_file_name
    if sha256 == claim.sha256:
        return Same(claim.name, target.asked, name, sha256, agreed, expected=expected.same)
    sides = {RELEASE: (claim.artifact_path, claim.artifact_file), HERE: (artifact, name)}
    where = {side: Path(folder_of(side), file) for side, (_, file) in sides.items()}
    folder = keep(
        making.workshop.state,
        f"changed-{target.package.name}",
        {where[side]: path for side, (path, _) in sides.items()},
    )
    found = differences(*(Side(side, folder / where[side]) for side in sides))
    return Changed(
        claim.name,
        target.asked,
        name,
        sha256,
        claim.sha256,
        agreed,
        folder,
        tuple(found),
        expected=not expected.same,
    )
