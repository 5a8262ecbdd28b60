"""The command `tally` itself. Its commands are each in a module of its own: on_demand.py has the list."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator import __version__
from orchestrator.cli.on_demand import OnDemand

# no rich: it costs 0.1 s at every start
app = typer.Typer(
    name="tally",
    cls=OnDemand,
    help="Build on independent builders, compare every bit, sign only what agrees.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        print(f"tally {__version__}")
        raise typer.Exit
