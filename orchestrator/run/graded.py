"""What `tally rebuild` comes to for a file that a registry serves. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orchestrator.agreement.agreement import Agreed
from orchestrator.ground.digest import Sha256
from orchestrator.served.grade import Grade, Identical
from orchestrator.served.settings import Setting


@dataclass(frozen=True, slots=True)
class Graded:
    """The user's builders agree with one another, and their file is so much like the served one."""

    release: str
    """As it was asked for: `pypi:six==1.17.0`."""
    agreed: Agreed
    grade: Grade
    file: str
    """Its name."""
    sha256: Sha256
    """Of what is served."""
    made: Sha256
    settings: tuple[Setting, ...]
    notes: tuple[str, ...]
    recipe: Path
    """What it was made by; its lock is beside it."""
    kept: Path | None
    """Both files side by side, where they are not identical."""
    alone: bool = False
    """Whether the packing step alone was tried, so that nothing was decided of a source."""
    unrun: tuple[str, ...] = ()
    """What of the source's own way was not done: a file that is not identical decides nothing then."""
    evidence: Path | None = None
    """The folder with what was signed about it."""

    @property
    def identical(self) -> bool:
        """Whether its source makes every byte of it."""
        return isinstance(self.grade, Identical) and not self.alone

    @property
    def decided(self) -> bool:
        """Whether it says anything of the source."""
        return not self.alone and (self.identical or not self.unrun)
