"""`tally diagnose`: where builds differ, why, and the experiment that proves it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from orchestrator.diagnosis.culprit import Diagnosis
    from orchestrator.stories.mending import Mended, Unmended


def diagnose(
    disagreement: Annotated[
        str | None,
        typer.Argument(
            help="The folder of a kept disagreement, or a target, as its recipe's file: the newest of it. "
            "Default: the newest of all. With OTHER, a file, folder, store path, release or reference.",
        ),
    ] = None,
    other: Annotated[
        str | None,
        typer.Argument(help="What it differs from: then the bytes alone tell why.", show_default=False),
    ] = None,
    no_prove: Annotated[
        bool, typer.Option("--no-prove", help="Build nothing: tell from the bytes alone.")
    ] = False,
    try_fix: Annotated[
        bool,
        typer.Option(
            "--try-fix",
            help="Try changes that are known to help on copies of the culprit, and print the smallest one "
            "that makes the builds agree, as a patch; else which files each cures, and what is left.",
        ),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> int:
    """Say which derivation diverged, in which file, why, and what proves it; then the usual cure.

    Exits with 1 when a cause was found, 2 when a difference stays without one, 0 when nothing differs.
    """
    from orchestrator.builders.configuration import load
    from orchestrator.cli.signing_options import refuse_both
    from orchestrator.cli.text import say
    from orchestrator.ground.state import State
    from orchestrator.run.disagreements import chosen
    from orchestrator.stories import diagnosis, mending, two_results
    from orchestrator.stories.compare import Asked

    state = State.of_environment()
    if disagreement is not None and other is not None:
        refuse_both({"two results": True, "--try-fix": try_fix})
        return _told(two_results.diagnose_two(state, Asked((disagreement, other))), None, json=json)
    folder = chosen(state, disagreement)
    refuse_both({"--no-prove": no_prove, "--try-fix": try_fix})
    configuration = load(Path.cwd())
    found = diagnosis.diagnose(state, configuration, folder, say, prove=not no_prove)
    mended = mending.mend_kept(state, configuration, folder, found, say) if try_fix else None
    return _told(found, mended, json=json)


def _told(found: Diagnosis, mended: Sequence[Mended | Unmended] | None, *, json: bool) -> int:
    """Print what was found; the exit code."""
    from orchestrator.cli.diagnosed import fixes, lines
    from orchestrator.cli.text import print_json
    from orchestrator.diagnosis.names import Name
    from orchestrator.ground.errors import ExitCode

    if json:
        more = {} if mended is None else {"fixes": [each.document() for each in mended]}
        print_json({**found.document(), **more})
    else:
        for line in (*lines(found), *fixes(mended or ())):
            print(line)
    if not found.culprits and not found.untried:
        return ExitCode.YES
    known = any(each.causes[0].name is not Name.UNKNOWN for each in found.culprits)
    return ExitCode.NO if known else ExitCode.UNDECIDED
