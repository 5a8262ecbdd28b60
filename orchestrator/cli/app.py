"""Every command of `tally`, each in a module of its own."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator import __version__
from orchestrator.cli.attest import attest
from orchestrator.cli.build import build
from orchestrator.cli.builder import builder
from orchestrator.cli.doctor import doctor
from orchestrator.cli.keys import keys
from orchestrator.cli.lock import lock
from orchestrator.cli.log import log
from orchestrator.cli.plan import plan
from orchestrator.cli.policy import policy
from orchestrator.cli.schema import schema
from orchestrator.cli.verify import verify

# no shell completion: it would write to the user's start-up files; no rich: it costs 0.1 s at every start
app = typer.Typer(
    name="tally",
    help="Build on independent builders, compare every bit, sign only what agrees.",
    no_args_is_help=True,
    add_completion=False,
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


for command in (build, plan, lock, verify, schema, doctor, attest):
    app.command()(command)
app.add_typer(builder, name="builder", help="List builders, add one, see whether they work.")
app.add_typer(policy, name="policy", help="Check a policy, and see what it finds in a release.")
app.add_typer(keys, name="keys", help="Make, replace and show signing keys.")
app.add_typer(log, name="log", help="Show and check the transparency log of what was signed here.")
