"""The last result of a target, by whatever it is called."""

from __future__ import annotations

from orchestrator.ground.errors import TallyError
from orchestrator.ledger.course import courses
from orchestrator.ledger.entries import Result
from orchestrator.ledger.reading import Ledger


def result_of(ledger: Ledger, target: str) -> Result:
    """Raises TallyError where it was never built here."""
    for course in courses(ledger.results(whole=False)):
        if target in course.known_as:
            return course.results[-1]
    raise TallyError(
        f"nothing that was built here is called {target!r}", hint="`tally history` lists all that was"
    )
