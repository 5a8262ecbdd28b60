"""`tally history`: when targets agreed, differed or failed, and since when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from orchestrator.ledger.course import Course, Span
    from orchestrator.stories.bisection import Bisected


def history(
    target: Annotated[
        str | None,
        typer.Argument(
            help="A target as it was built, its recipe's file, or a .drv. Default: all.", show_default=False
        ),
    ] = None,
    bisect: Annotated[
        bool,
        typer.Option(
            "--bisect",
            help="Build what lies between: copies of what diverged first with some inputs as they "
            "were, until those are left that make it differ.",
        ),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> None:
    """Show what became of targets that were built here: agreed, differed or failed, and since when.

    It reads the ledger in the state folder and signs nothing; nothing is built but with --bisect.
    """
    from orchestrator.cli.text import in_lines, print_json, say
    from orchestrator.ground.errors import ExitCode
    from orchestrator.ground.state import State
    from orchestrator.ledger.bisecting import since_which
    from orchestrator.ledger.course import courses
    from orchestrator.ledger.named import of_name
    from orchestrator.ledger.reading import read

    with read(State.of_environment()) as ledger:
        found = list(courses(ledger.results()))
        if target is not None:
            found = of_name(found, target)
        elif not found:
            say("nothing was built here yet: `tally build` builds a target")
        changes = {each.target: since_which(ledger, each) for each in found}
    bisected = _bisected(found, target) if bisect else None
    if json:
        documents = [dict(_document(each, changes.get(each.target, ()))) for each in found]
        if bisected is not None:
            documents[0]["bisected"] = [each.document for each in bisected]
        print_json({"targets": documents})
    else:
        whole = target is not None
        lines = [line for each in found for line in _lines(each, changes.get(each.target, ()), whole)]
        lines += [f"  {line}" for each in bisected or () for line in each.lines()]
        if lines:
            print(in_lines(lines))
    if bisected is not None and not all(each.inputs for each in bisected):
        raise typer.Exit(ExitCode.UNDECIDED)


def _bisected(found: Sequence[Course], target: str | None) -> Sequence[Bisected]:
    """What building comes to, of the one target that was asked for. Raises TallyError."""
    from orchestrator.builders.configuration import load
    from orchestrator.cli.text import say
    from orchestrator.ground.errors import TallyError
    from orchestrator.ground.state import State
    from orchestrator.stories.bisection import bisect

    if target is None or len(found) != 1:
        raise TallyError(
            "--bisect is for one target"
            + ("" if target is None else f", and {len(found)} are called {target!r}"),
            hint="name it as `tally history` lists it: tally history TARGET --bisect",
        )
    return bisect(State.of_environment(), load(Path.cwd()), found[0], say)


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
