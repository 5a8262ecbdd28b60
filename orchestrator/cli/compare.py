"""`tally compare`: where two results differ, down to the innermost thing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.ground.errors import ExitCode

_THING = (
    "A file, folder, store path, release, or reference such as oci://HOST/REPOSITORY; or a state folder or "
    "its ledger.sqlite, for its package set; or FLAKE# for all packages of a flake at a revision."
)


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help=_THING)],
    second: Annotated[str, typer.Argument(metavar="B", help="What to compare it with: any of the same.")],
    store: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS",
            help="The store that store paths are in, as Nix names it; given twice, A's and B's.",
            show_default=False,
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write a page to look at, too.", show_default=False),
    ] = None,
    max_time: Annotated[
        float | None,
        typer.Option("--max-time", metavar="SECONDS", min=0, help="Stop after so long.", show_default=False),
    ] = None,
    max_memory: Annotated[
        int | None,
        typer.Option(
            "--max-memory", metavar="MIB", min=64, help="Use no more memory than this.", show_default=False
        ),
    ] = None,
    allow_http: Annotated[
        bool, typer.Option("--allow-http", help="Read references over http:// from other machines, too.")
    ] = False,
    system: Annotated[
        str | None,
        typer.Option(
            metavar="SYSTEM",
            help="Of flakes: for which the packages are, as x86_64-linux.",
            show_default=False,
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> ExitCode:
    """Compare two results, and say of each difference where it is: file, container, section or line, values.

    Exit codes: 0 they are the same, 1 they differ, 2 it could not be decided.
    """
    from orchestrator.cli import comparing

    return comparing.compared(
        first,
        second,
        json=json,
        store=store or [],
        html=html,
        max_time=max_time,
        max_memory=max_memory,
        allow_http=allow_http,
        system=system,
    )
