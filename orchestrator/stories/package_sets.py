"""Which packages changed between two sets, of which each is a ledger: of another day, revision or machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from orchestrator.ground.errors import ExitCode
from orchestrator.ground.state import State
from orchestrator.ledger.reading import read
from orchestrator.ledger.sets import Change, Package, compared

_DIFFERS = (Change.BITS, Change.BOTH, Change.LACKING)


def compare_sets(one: State, other: State) -> tuple[Package, ...]:
    """Every package of either. Raises TallyError for a ledger that cannot be read."""
    with read(one) as before, read(other) as after:
        return tuple(compared(before, after))


def exit_code(found: Sequence[Package]) -> ExitCode:
    """Other bits, or a package that one side lacks, make a no; a yes needs bits of all to compare."""
    counts = Counter(package.change for package in found)
    if any(counts[change] for change in _DIFFERS):
        return ExitCode.NO
    return ExitCode.UNDECIDED if counts[Change.UNKNOWN] or not found else ExitCode.YES
