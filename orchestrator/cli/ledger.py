"""`tally ledger`: the ledger itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ledger = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@ledger.command()
def repair(
    releases: Annotated[
        list[Path] | None,
        typer.Argument(help="Release folders. Default: those in releases/.", show_default=False),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> None:
    """Move a damaged ledger aside, and begin a new one with what signed releases say.

    What counts is signed by keys of builders that this state folder holds. A ledger that is whole stays.
    """
    from orchestrator.cli.text import print_json, say
    from orchestrator.ground.state import State
    from orchestrator.ground.wording import counted
    from orchestrator.stories.learning import releases_in
    from orchestrator.stories.learning import repair as story

    state = State.of_environment()
    found = story(state, releases or list(releases_in(Path("releases"))), say)
    if json:
        print_json({"ledger": str(state.ledger), "learned": list(found)})
        return
    print(f"a new ledger, with {counted(len(found), 'release')}")


@ledger.command()
def path() -> None:
    """Print where the ledger is."""
    from orchestrator.cli.text import harmless
    from orchestrator.ground.state import State

    print(harmless(str(State.of_environment().ledger)))
