"""From the ledger to a site: what was built here, by whom, with what result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.ground.state import State
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


def report(state: State, out: Path, title: str, *, files: bool) -> Reported:
    """Write the site into `out`: logs, SBOMs and evidence too where `files` are to be in it.

    Raises TallyError where there is no ledger, or `out` is another's folder or cannot be written.
    """
    with read(state) as ledger:
        ready(out)
        gathering = Gathering(ledger, state, title, files=files)
        made = gathering.report
        with state.locked(f"report {out.resolve()}"):
            return Reported(made, write(out, _files(gathering, made)))


def _files(gathering: Gathering, made: Report) -> Iterator[tuple[str, bytes | Path]]:
    """What pages link to comes before them."""
    yield from ((each.path, each.source) for each in gathering.copied)
    yield from pages(made, gathering.details)
