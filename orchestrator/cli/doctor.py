"""`tally doctor`: what this machine lacks, and the way out."""

from __future__ import annotations

import sys
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.text import say

if TYPE_CHECKING:
    from orchestrator.stories.doctor import Check


def doctor(
    fix: Annotated[
        bool, typer.Option("--fix", help="Offer to install what is missing, by apt-get; ask before that.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="With --fix: install it without asking.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> int:
    """Check that this machine can build: Nix, sandbox, user namespaces, disk, builders, tools.

    Exits with 0 when all is well, warnings included, and with 2 otherwise. --fix prints the commands that
    install what is missing, runs them if the answer is yes, and looks again. It changes no other setting.
    """
    from orchestrator.cli.text import print_json
    from orchestrator.ground.errors import ExitCode, TallyError
    from orchestrator.stories import remedies
    from orchestrator.stories.doctor import healthy

    if yes and not fix:
        raise TallyError("--yes answers what --fix asks", hint="give --fix as well")
    checks = _looked(show=not json)
    commands = remedies.commands_for(remedies.packages_of(checks)) if fix else []
    if commands and _wanted(commands, yes=yes, ask=not json):
        remedies.run(commands)
        checks = _looked(show=not json)
    elif fix and not commands:
        say("nothing is missing that a package would bring")
    well = healthy(checks)
    if json:
        print_json(
            {
                "healthy": well,
                "checks": [
                    {"name": one.name, "status": str(one.status), "found": one.found, "hint": one.hint}
                    for one in checks
                ],
                **({"commands": [list(command) for command in commands]} if fix else {}),
            }
        )
    return ExitCode.YES if well else ExitCode.UNDECIDED


def _looked(*, show: bool) -> list[Check]:
    """What was found, each told at once."""
    from orchestrator.cli.text import paragraph
    from orchestrator.ground.state import State
    from orchestrator.stories import closure_check
    from orchestrator.stories.doctor import examine

    checks = []
    state, folder = State.of_environment(), Path.cwd()
    for check in chain(examine(state, folder), closure_check.look(state, folder)):
        checks.append(check)
        if show:
            print(f"{check.status:8} {check.name}: {paragraph(check.found, 9)}", flush=True)
            if check.hint:
                print(f"{'':8} hint: {paragraph(check.hint, 9)}", flush=True)
    return checks


def _wanted(commands: list[tuple[str, ...]], *, yes: bool, ask: bool) -> bool:
    """Whether to run them: they are shown first, and nobody who is not asked says yes."""
    from orchestrator.ground.interruption import INTERRUPTION
    from orchestrator.stories import remedies

    say("to install what is missing:")
    for command in commands:
        say(f"  {remedies.shown(command)}")
    if yes:
        return True
    if not ask or not sys.stdin or not sys.stdin.isatty():
        say("nothing was run: `tally doctor --fix --yes` runs that")
        return False
    INTERRUPTION.asking = True
    print("run that? [y/N] ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline(100).strip().lower()
    INTERRUPTION.asking = False
    return answer in ("y", "yes")
