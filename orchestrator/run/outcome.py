"""What `tally build` can come to, for one target. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.agreement.agreement import Agreed, Disagreed, Incomplete
from orchestrator.agreement.difference import Difference
from orchestrator.diagnosis.culprit import Diagnosis
from orchestrator.ground.errors import ExitCode, TallyError
from orchestrator.ledger.entries import Depth


@dataclass(frozen=True, slots=True)
class Released:
    """The builders agreed, and what they agreed on is signed in `folder`."""

    target: str
    agreed: Agreed
    folder: Path
    artifact: Path
    already_there: bool
    """Whether the folder held this very release before."""
    remarks: tuple[str, ...] = ()
    """What the release that was there says otherwise of where it is from."""
    depth: Depth | None = None
    """How far down the build-time closure this run reached."""


@dataclass(frozen=True, slots=True)
class Compared:
    """The builders agreed; nothing was to be signed. `artifact` is builder A's copy, in its store."""

    target: str
    agreed: Agreed
    artifact: Path
    why_unsigned: str
    depth: Depth | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The builders disagreed: no release, and both results are kept in `kept`."""

    target: str
    disagreed: Disagreed
    kept: Path
    differences: Mapping[str, tuple[Difference, ...]]
    """Store path of each differing output to the files that differ in it."""
    attestation: Path | None = None
    """Signed evidence of the disagreement, in `kept`; None: none was asked for, or none could be made."""
    unattested: TallyError | None = None
    """What kept the evidence that was asked for from being signed."""

    @property
    def flaky(self) -> Mapping[str, tuple[str, ...]]:
        """`.drv` path to the builders that did not make again what they had made themselves."""
        found: dict[str, tuple[str, ...]] = {}
        for report in self.disagreed.reports:
            for path, build in report.builds.items():
                if build.unstable:
                    found[path] = (*found.get(path, ()), report.identity.name)
        return found

    diagnosis: Diagnosis | TallyError | None = None
    """Why they disagree, or what kept that from being found; None: it was not asked for."""


@dataclass(frozen=True, slots=True)
class Undecided:
    """Too few builds to compare."""

    target: str
    incomplete: Incomplete


@dataclass(frozen=True, slots=True)
class Unpublished:
    """There is no release: what `error` says stopped it, though the builders agreed or before they began."""

    target: str
    agreed: Agreed | None
    """None: nothing was built, since no release could come of it."""
    error: TallyError


Outcome = Released | Compared | Refused | Undecided | Unpublished


def exit_code(outcomes: tuple[Outcome, ...]) -> ExitCode:
    """A disagreement outweighs what could not be decided, and both outweigh success."""
    if any(isinstance(outcome, Refused) for outcome in outcomes):
        return ExitCode.NO
    if any(
        isinstance(outcome, Unpublished) and outcome.error.exit_code is ExitCode.NO for outcome in outcomes
    ):
        return ExitCode.NO  # operators elsewhere made something else
    if any(isinstance(outcome, Undecided | Unpublished) for outcome in outcomes):
        return ExitCode.UNDECIDED
    return ExitCode.YES
