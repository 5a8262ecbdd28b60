"""`tally diagnose`: where builds differ, why, and the experiment that proves it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def diagnose(
    disagreement: Annotated[
        str | None,
        typer.Argument(
            help="The folder of a kept disagreement, or a target's name: the newest kept one of it. "
            "Default: the newest of all.",
        ),
    ] = None,
    no_prove: Annotated[
        bool, typer.Option("--no-prove", help="Build nothing: tell from the bytes alone.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> int:
    """Say which derivation diverged, in which file, why, and what proves it; then the usual cure.

    Exits with 1 when a cause was found, 2 when a difference stays without one.
    """
    from orchestrator.builders.configuration import load
    from orchestrator.cli.diagnosed import lines
    from orchestrator.cli.text import print_json, say
    from orchestrator.diagnosis.names import Name
    from orchestrator.ground.errors import ExitCode
    from orchestrator.ground.state import State
    from orchestrator.stories import diagnosis

    state = State.of_environment()
    folder = diagnosis.chosen(state, disagreement)
    found = diagnosis.diagnose(state, load(Path.cwd()), folder, say, prove=not no_prove)
    if json:
        print_json(found.document())
    else:
        for line in lines(found):
            print(line)
    known = any(each.causes[0].name is not Name.UNKNOWN for each in found.culprits)
    return ExitCode.NO if known else ExitCode.UNDECIDED
