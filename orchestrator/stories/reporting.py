"""From the ledger to a site: what was built here, by whom, with what result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.ground.state import State
from orchestrator.ledger.course import courses
from orchestrator.ledger.named import of_name
from orchestrator.ledger.reading import read
from orchestrator.report.document import Report
from orchestrator.report.gathering import Gathering
from orchestrator.report.site import pages
from orchestrator.report.writing import Written, ready, write


@dataclass(frozen=True, slots=True)
class Reported:
    """A site that is there."""

    report: Report
    written: Written
    left_out: int
    """How many other targets the ledger has."""


def report(state: State, out: Path, title: str, *, files: bool, targets: Sequence[str] = ()) -> Reported:
    """Write the site into `out`: logs, SBOMs and evidence too where `files` are to be in it.

    `targets`: of these alone, by whatever they are called; none: of all that the state folder has.

    Raises TallyError where there is no ledger, or no such target, or `out` is another's folder or cannot be
    written.
    """
    with read(state) as ledger:
        only, left_out = None, 0
        if targets:
            every = list(courses(ledger.results(whole=False)))
            only = {each.target for name in targets for each in of_name(every, name)}
            left_out = len(every) - len(only)
        ready(out)
        gathering = Gathering(ledger, state, title, files=files, only=only)
        made = gathering.report
        with state.locked(f"report {out.resolve()}"):
            return Reported(made, write(out, _files(gathering, made)), left_out)


def _files(gathering: Gathering, made: Report) -> Iterator[tuple[str, bytes | Path]]:
    """What pages link to comes before them."""
    yield from ((each.path, each.source) for each in gathering.copied)
    yield from pages(made, gathering.details)
