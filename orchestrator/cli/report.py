"""`tally report`: a static site over what was built here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", help="The folder to write the site into: new, empty, or a report's."),
    ],
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

    done = story(State.of_environment(), out, title, files=not without_files)
    written, found = done.written, done.report
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
    )
    print(harmless(str(out / "index.html")))
