"""What changes cured when they were tried, file by file. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.diagnosis.fixes import Fix

Files = Mapping[str, int]
"""File to in how many places of it two builds differed."""


@dataclass(frozen=True, slots=True)
class Cured:
    """Changes that help, and what became the same with them; seen with each alone, then with all."""

    fixes: tuple[Fix, ...]
    alone: tuple[tuple[str, tuple[str, ...]], ...]
    """The name of a change to the files that it cures by itself; of those that cure any."""
    together: tuple[str, ...]
    """Files that more than one of them is needed for."""
    left: tuple[str, ...]
    """Files that differ with all of them; empty: the builds agree."""

    @property
    def files(self) -> tuple[str, ...]:
        """All that they cured."""
        return tuple(sorted({*self.together, *(file for _, some in self.alone for file in some)}))

    def document(self) -> Mapping[str, object]:
        """As `--json` has it."""
        return {
            "cured": [{"fix": name, "files": list(files)} for name, files in self.alone],
            "together": list(self.together),
            "left": list(self.left),
        }


def cured(before: Files, alone: Sequence[tuple[Fix, Files]], fixes: tuple[Fix, ...], left: Files) -> Cured:
    """What each of `fixes` did: by what differed `before`, with each `alone`, and with all of them.

    A file that differs with all of them was not cured by one, whatever it looked like by itself.
    """
    gone = before.keys() - left.keys()
    names = {fix.name for fix in fixes}
    by_itself = [(fix.name, tuple(sorted(gone - files.keys()))) for fix, files in alone if fix.name in names]
    some = {file for _, files in by_itself for file in files}
    return Cured(
        fixes,
        tuple((name, files) for name, files in by_itself if files),
        tuple(sorted(gone - some)),
        tuple(sorted(left)),
    )
