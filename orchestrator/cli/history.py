"""`tally history`: when targets agreed, differed or failed, and since when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from orchestrator.ledger.course import Course, Span


def history(
    target: Annotated[
        str | None,
        typer.Argument(help="A target as it was built, or its name. Default: all.", show_default=False),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> None:
    """Show what became of targets that were built here: agreed, differed or failed, and since when.

    It reads the ledger in the state folder, builds nothing and signs nothing.
    """
    from orchestrator.cli.text import in_lines, print_json
    from orchestrator.ground.errors import TallyError
    from orchestrator.ground.state import State
    from orchestrator.ledger.bisecting import since_which
    from orchestrator.ledger.course import courses
    from orchestrator.ledger.reading import read

    with read(State.of_environment()) as ledger:
        found = [each for each in courses(ledger.results()) if target is None or target in each.known_as]
        if target is not None and not found:
            raise TallyError(
                f"nothing that was built here is called {target!r}",
                hint="`tally history` alone lists all that was",
            )
        changes = {each.target: since_which(ledger, each) for each in found}
    if json:
        print_json({"targets": [_document(each, changes.get(each.target, ())) for each in found]})
        return
    whole = target is not None
    print(in_lines([line for each in found for line in _lines(each, changes.get(each.target, ()), whole)]))


def _document(course: Course, changes: Iterable[tuple[str, str]]) -> Mapping[str, Any]:
    since = course.spans[-1]
    return {
        "target": course.target,
        "verdict": since.verdict.value,
        "since": since.document["since"],
        "spans": [each.document for each in course.spans],
        "changed": [{"before": before, "after": after} for before, after in changes],
        "results": [each.document for each in course.results],
    }


def _lines(course: Course, changes: Iterable[tuple[str, str]], whole: bool) -> Iterable[str]:
    from orchestrator.ledger.change import sentence
    from orchestrator.nix.derivation import name_of

    last = course.results[-1]
    yield f"{course.target}: {course.spans[-1].sentence}"
    if (change := sentence(changes)) is not None:
        yield f"  the change: {change}"
    for culprit in last.culprits:
        yield f"  first to diverge: {name_of(culprit)}"
    if last.told:
        yield f"  {last.told.splitlines()[0]}"
    yield f"  depth: {last.depth.sentence}"
    if whole:
        for span in reversed(course.spans):
            yield f"  {_told(span)}"


def _told(span: Span) -> str:
    first, last = span.document["since"], span.document["until"]
    when = first if first == last else f"{first} to {last}"
    return f"{when}  {span.verdict.value} ({span.runs} x)"
