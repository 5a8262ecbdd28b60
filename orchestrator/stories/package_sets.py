"""Which packages changed between two sets: two ledgers, or two revisions of a flake."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from orchestrator.builders.configuration import Configuration
from orchestrator.ground.errors import ExitCode
from orchestrator.ground.state import State
from orchestrator.ledger.change import Closure
from orchestrator.ledger.reading import read
from orchestrator.ledger.sets import Change, Package, compared, evaluated
from orchestrator.run import flakes
from orchestrator.run.asked import FlakeAttribute
from orchestrator.run.workshop import opened

_DIFFERS = (Change.DERIVATION, Change.BITS, Change.BOTH, Change.LACKING)


def compare_sets(one: State, other: State) -> tuple[Package, ...]:
    """Every package of either. Raises TallyError for a ledger that cannot be read."""
    with read(one) as before, read(other) as after:
        return tuple(compared(before, after))


def compare_flakes(
    state: State, configuration: Configuration, one: FlakeAttribute, other: FlakeAttribute, system: str | None
) -> tuple[Package, ...]:
    """Every package of either, by evaluation alone: nothing is built, and no ledger is needed.

    Raises TallyError.
    """
    with opened(state, configuration) as workshop:
        before, after = (flakes.packages(workshop, each, system) for each in (one, other))
        if one.attribute and other.attribute:  # one thing, whatever it is called on each side
            after = dict(zip(before, after.values(), strict=True))

        def closure(derivation: str) -> Closure:
            graph = workshop.store.graph([derivation], any_digest=True).derivations
            return {path: tuple(each.input_derivations) for path, each in graph.items()}

        return tuple(evaluated(before, after, closure))


def exit_code(found: Sequence[Package]) -> ExitCode:
    """Other bits, or a package that one side lacks, make a no; a yes needs bits of all to compare."""
    counts = Counter(package.change for package in found)
    if any(counts[change] for change in _DIFFERS):
        return ExitCode.NO
    return ExitCode.UNDECIDED if counts[Change.UNKNOWN] or not found else ExitCode.YES
