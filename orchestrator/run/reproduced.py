"""What `tally rebuild` can come to, for one release. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from orchestrator.agreement.agreement import Agreed, DifferingOutput
from orchestrator.agreement.apart import Apart
from orchestrator.agreement.difference import Difference
from orchestrator.diagnosis.culprit import Diagnosis
from orchestrator.ground.digest import NarHash, Sha256
from orchestrator.ground.errors import ExitCode, TallyError
from orchestrator.policy.verdict import Failed
from orchestrator.run.graded import Graded
from orchestrator.run.outcome import Refused, Undecided
from orchestrator.sources.supply import Located


@dataclass(frozen=True, slots=True)
class Reproduced:
    """The user's builders made the release's artifact and every output that its builders agreed on."""

    release: str
    agreed: Agreed
    artifact: str
    """Its file name."""
    sha256: Sha256
    verified: bool
    """Whether the release was verified before."""
    evidence: Path | None = None
    """The folder with what was signed about it."""
    attached: str | None = None
    """Where that is attached to the release."""
    unattached: TallyError | None = None
    """What kept it from being attached, where that was asked for."""
    located: tuple[Located, ...] = ()
    """What had to be fetched for it, and where each was found."""


@dataclass(frozen=True, slots=True)
class Differs:
    """The user's builders agree with one another, on something else than the release."""

    release: str
    agreed: Agreed
    differing: tuple[DifferingOutput, ...]
    """In build order; one of the sides is the release."""
    first: Apart
    """Which derivations of the closure diverged from the release first."""
    kept: Path
    """What was made, and the release's artifact beside it."""
    differences: Mapping[str, tuple[Difference, ...]]
    """Store path of an output to the files that differ in it, where the release has its bytes."""
    verified: bool
    """Whether the release was verified before."""
    evidence: Path | None = None
    """The folder with what was signed about it."""
    attached: str | None = None
    """Where that is attached to the release."""
    unattached: TallyError | None = None
    """What kept it from being attached, where that was asked for."""
    located: tuple[Located, ...] = ()
    """What had to be fetched for it, and where each was found."""
    diagnosis: Diagnosis | TallyError | None = None
    """Why it differs, or why that could not be told; None: that was not asked."""


@dataclass(frozen=True, slots=True)
class Unverified:
    """The release does not verify, so that it was not made again."""

    release: str
    verdict: Failed
    buildable: bool
    """Whether it carries, and can be read for, all that it would be made from if that was asked for."""


@dataclass(frozen=True, slots=True)
class Unmade:
    """It could not be made again: something is missing, and `error` says what."""

    release: str
    error: TallyError


@dataclass(frozen=True, slots=True)
class Same:
    """A change leaves the artifact as the release has it, bit for bit."""

    release: str
    target: str
    """What was built in place of what the release carries."""
    artifact: str
    """Its file name."""
    sha256: Sha256
    agreed: Agreed | None
    """None: the derivations are the release's, so that there was nothing to build."""
    expected: bool


@dataclass(frozen=True, slots=True)
class Changed:
    """A change makes another artifact; the user's builders agree on it."""

    release: str
    target: str
    """What was built in place of what the release carries."""
    artifact: str
    """Its file name."""
    sha256: Sha256
    released: Sha256
    """The release's."""
    agreed: Agreed
    kept: Path
    """Both artifacts."""
    differences: tuple[Difference, ...]
    expected: bool


@dataclass(frozen=True, slots=True)
class RemadeOutput:
    """One output that the provenance has a digest of."""

    path: str
    said: str
    """The sha256 in the provenance, in hexadecimal: of the NAR, or of an output that is one file."""
    made: NarHash
    same: bool


@dataclass(frozen=True, slots=True)
class Remade:
    """The user's builders agree with one another on what somebody else's provenance names."""

    release: str
    """The file with the provenance."""
    flake: str
    outputs: tuple[RemadeOutput, ...]
    """At least one."""
    agreed: Agreed

    @property
    def same(self) -> bool:
        """Whether the provenance has every one as it was made."""
        return all(each.same for each in self.outputs)


@dataclass(frozen=True, slots=True)
class Remembered:
    """What an earlier run, which was stopped since, had found."""

    release: str
    verdict: str
    """As programs have it."""
    told: tuple[str, ...]
    time: datetime


_YES, _NO = ("reproduced", "identical"), ("differs", "unverified", "same-contents", "different")
Rebuilt = (
    Reproduced
    | Differs
    | Unverified
    | Refused
    | Undecided
    | Unmade
    | Same
    | Changed
    | Graded
    | Remade
    | Remembered
)
"""`Refused`: the user's builders do not even agree with one another. `Undecided`: too few built it."""


def is_yes(found: Rebuilt) -> bool:
    """Whether it is what the user wants to hear."""
    match found:
        case Same() | Changed():
            return found.expected
        case Graded():
            return found.identical
        case Remade():
            return found.same
        case Remembered():
            return found.verdict in _YES
        case _:
            return isinstance(found, Reproduced) and found.unattached is None


def exit_code(found: tuple[Rebuilt, ...]) -> ExitCode:
    """A no outweighs what could not be decided, and both outweigh success."""
    if any(is_no(each) for each in found):
        return ExitCode.NO
    return ExitCode.YES if all(map(is_yes, found)) else ExitCode.UNDECIDED


def is_no(found: Rebuilt) -> bool:
    """Whether it was decided, and is not what the user wants to hear."""
    if isinstance(found, Remembered):
        return found.verdict in _NO
    if isinstance(found, Graded) and not found.decided:
        return False
    return isinstance(
        found, Differs | Unverified | Refused | Same | Changed | Graded | Remade
    ) and not is_yes(found)
