"""What was built or rebuilt as cases, as CI hosts have them: a name, whether it passed, and why not."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, assert_never

from orchestrator.cli.told import told
from orchestrator.ground.errors import ExitCode
from orchestrator.nix.derivation import name_of
from orchestrator.run.outcome import Compared, Outcome, Refused, Released, Undecided, Unpublished
from orchestrator.run.reproduced import Rebuilt, is_no, is_yes
from orchestrator.served.named import Named

if TYPE_CHECKING:
    from orchestrator.cli.asked import Target


class Kind(StrEnum):
    """What a case came to. A build that failed is no disagreement, and never counted as one."""

    PASSED = "passed"
    FAILURE = "failure"
    """A no: builders disagree, or what was published differs."""
    ERROR = "error"
    """What could not be decided."""


@dataclass(frozen=True, slots=True)
class Case:
    """One target, release or reference."""

    name: str
    kind: Kind
    verdict: str = ""
    """A word for programs."""
    lines: tuple[str, ...] = ()
    """Why, for people."""


def of_rebuild(target: Target | Named, found: Rebuilt) -> Case:
    """The case of one rebuild, by what was asked for: a release may be at several places."""
    if is_yes(found):
        return Case(str(target), Kind.PASSED)
    verdict, lines = told(found)
    return Case(str(target), Kind.FAILURE if is_no(found) else Kind.ERROR, verdict, tuple(lines))


def of_build(outcome: Outcome) -> Case:
    """The case of one target of a build."""
    match outcome:
        case Released() | Compared():
            return Case(outcome.target, Kind.PASSED)
        case Refused():
            first = [f"first to diverge: {name_of(path)}" for path in outcome.disagreed.root_causes]
            return Case(outcome.target, Kind.FAILURE, "differs", (*first, *told(outcome)[1]))
        case Undecided():
            verdict = "failed" if _failed(outcome) else "undecided"
            return Case(outcome.target, Kind.ERROR, verdict, tuple(told(outcome)[1]))
        case Unpublished():
            lines = (outcome.error.message, *filter(None, (outcome.error.hint,)))
            no = outcome.error.exit_code is ExitCode.NO  # operators elsewhere made something else
            return Case(outcome.target, Kind.FAILURE if no else Kind.ERROR, "unpublished", lines)
        case _:
            assert_never(outcome)


def _failed(outcome: Undecided) -> bool:
    """Whether a build failed, as opposed to a builder that could not do its work."""
    return any(
        failure.derivation is not None and not failure.infrastructure
        for failures in outcome.incomplete.failures.values()
        for failure in failures
    )
