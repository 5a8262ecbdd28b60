"""`tally doctor`: what this machine lacks, and the way out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> int:
    """Check that this machine can build: Nix, sandbox, user namespaces, disk, builders, tools.

    Exits with 0 when all is well, warnings included, and with 2 otherwise.
    """
    from orchestrator.cli.text import paragraph, print_json
    from orchestrator.ground.errors import ExitCode
    from orchestrator.ground.state import State
    from orchestrator.stories.doctor import examine, healthy

    checks = []
    for check in examine(State.of_environment(), Path.cwd()):
        checks.append(check)
        if not json:
            print(f"{check.status:8} {check.name}: {paragraph(check.found, 9)}", flush=True)
            if check.hint:
                print(f"{'':8} hint: {paragraph(check.hint, 9)}", flush=True)
    well = healthy(checks)
    if json:
        print_json(
            {
                "healthy": well,
                "checks": [
                    {"name": one.name, "status": str(one.status), "found": one.found, "hint": one.hint}
                    for one in checks
                ],
            }
        )
    return ExitCode.YES if well else ExitCode.UNDECIDED
