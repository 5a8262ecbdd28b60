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
    try_fix: Annotated[
        bool,
        typer.Option(
            "--try-fix",
            help="Try changes that are known to help on copies of the culprit, and print the smallest one "
            "that makes the builds agree, as a patch.",
        ),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> int:
    """Say which derivation diverged, in which file, why, and what proves it; then the usual cure.

    Exits with 1 when a cause was found, 2 when a difference stays without one.
    """
    from orchestrator.builders.configuration import load
    from orchestrator.cli.diagnosed import fixes, lines
    from orchestrator.cli.signing_options import refuse_both
    from orchestrator.cli.text import print_json, say
    from orchestrator.diagnosis.names import Name
    from orchestrator.ground.errors import ExitCode
    from orchestrator.ground.state import State
    from orchestrator.stories import diagnosis, mending

    state = State.of_environment()
    folder = diagnosis.chosen(state, disagreement)
    refuse_both({"--no-prove": no_prove, "--try-fix": try_fix})
    configuration = load(Path.cwd())
    found = diagnosis.diagnose(state, configuration, folder, say, prove=not no_prove)
    mended = mending.mend_kept(state, configuration, folder, found, say) if try_fix else None
    if json:
        more = {} if mended is None else {"fixes": [each.document() for each in mended]}
        print_json({**found.document(), **more})
    else:
        for line in (*lines(found), *fixes(mended or ())):
            print(line)
    known = any(each.causes[0].name is not Name.UNKNOWN for each in found.culprits)
    return ExitCode.NO if known else ExitCode.UNDECIDED
