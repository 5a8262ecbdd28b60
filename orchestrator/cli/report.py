"""`tally report`: a static site over what was built here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from orchestrator.report.document import Report


def report(
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", help="The folder to write the site into: new, empty, or a report's."),
    ],
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TARGET...",
            help="Of these alone: recipes' files, or names. Default: all that the state folder has, of every "
            "project.",
            show_default=False,
        ),
    ] = None,
    title: Annotated[str, typer.Option(metavar="TEXT", help="What the site is called.")] = "Builds",
    without_files: Annotated[
        bool, typer.Option("--without-files", help="Put no logs, SBOMs and evidence into it.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> None:
    """Write a static site: which packages agree, since when, and why others do not.

    It needs no server, and asks no other address. Written again, only what changed is written.
    """
    from orchestrator.cli.text import harmless, print_json, say
    from orchestrator.ground.state import State
    from orchestrator.ground.wording import counted
    from orchestrator.stories.reporting import report as story

    done = story(State.of_environment(), out, title, files=not without_files, targets=targets or ())
    written, found = done.written, done.report
    if not targets and (others := _of_no_recipe_here(found)):
        say(
            f"hint: {counted(others, 'package')} in it come from no recipe in the folder recipes/ here: name "
            "targets to leave others out, as in `tally report recipes/*.toml --out DIR`"
        )
    if json:
        counts = {verdict.value: count for verdict, count in found.counts.items()}
        files = {"written": written.new, "unchanged": written.same, "removed": written.removed}
        print_json(
            {"report": str(out / "index.html"), "share": found.share, "counts": counts, "files": files}
        )
        return
    share = "none decided" if found.share is None else f"{found.share:.1%} agree"
    say(
        f"{counted(len(found.packages), 'package')}, {share}; {counted(written.new, 'file')} written, "
        f"{written.same} unchanged, {written.removed} removed"
        + (f"; {counted(done.left_out, 'other target')} left out" if targets else "")
    )
    print(harmless(str(out / "index.html")))


def _of_no_recipe_here(found: Report) -> int:
    """How many packages may be another project's: a state folder has what all of them built."""
    here = {each.stem for each in Path("recipes").glob("*.toml")}
    return sum(each.target not in here for each in found.packages)
