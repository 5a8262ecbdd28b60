"""What a target came to, as the ledger has it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import assert_never

from orchestrator.agreement.agreement import Disagreed, Incomplete
from orchestrator.agreement.culprits import is_earlier
from orchestrator.ledger.entries import Depth, Result, Verdict
from orchestrator.run.making import Making, is_varied
from orchestrator.run.outcome import Compared, Outcome, Refused, Released, Undecided, Unpublished
from orchestrator.run.plan import Target


def remember(making: Making, target: Target, outcome: Outcome) -> None:
    """Write it into the ledger. What was never built is no result."""
    if isinstance(outcome, Unpublished) and outcome.agreed is None:
        return
    package = target.package
    result = Result(
        run=making.workshop.run,
        target=target.recorded,
        package=target.evaluated.package,
        artifact=target.evaluated.artifact,
        name=package.name,
        version=package.version,
        system=package.system,
        verdict=_verdict(outcome, varied=is_varied(making)),
        time=datetime.now(UTC),
        depth=depth_of(making, target),
        release=str(outcome.folder.resolve()) if isinstance(outcome, Released) else None,
        kept=str(outcome.kept) if isinstance(outcome, Refused) else None,
        told=_told(outcome),
    )
    making.account.conclude(result)


def depth_of(making: Making, target: Target) -> Depth:
    """How far down the target's build-time closure this run reached."""
    share = making.decision.choice.beliefs.of(target.graph)
    believed = share.depth(target.graph).believed if share else 0
    return making.account.depth(target.graph, believed)


def _verdict(outcome: Outcome, *, varied: bool) -> Verdict:
    match outcome:
        case Released() | Compared() | Unpublished():
            return Verdict.VARIED if varied else Verdict.AGREED
        case Refused():
            return _of_disagreement(outcome.disagreed)
        case Undecided():
            return _of_failures(outcome.incomplete)
        case _:
            assert_never(outcome)


def _of_disagreement(disagreed: Disagreed) -> Verdict:
    """Flaky where each culprit is one that a builder did not make again itself."""
    causes = [each for each in disagreed.differing if each.derivation in disagreed.root_causes]
    flaky = {each.derivation for each in causes if any(map(is_earlier, each.hashes))}
    return Verdict.FLAKY if flaky == {each.derivation for each in causes} else Verdict.DIFFERS


def _of_failures(incomplete: Incomplete) -> Verdict:
    """Failed where a build failed, and not only a host."""
    every = [each for those in incomplete.failures.values() for each in those]
    failed = any(each.derivation is not None and not each.infrastructure and each.log for each in every)
    return Verdict.FAILED if failed else Verdict.UNDECIDED


def _told(outcome: Outcome) -> str | None:
    match outcome:
        case Unpublished():
            return outcome.error.message
        case Undecided():
            reasons = (each.reason for those in outcome.incomplete.failures.values() for each in those)
            return next(reasons, None)
        case _:
            return None
