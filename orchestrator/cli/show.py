"""`tally show`: what a release says of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def show(
    target: Annotated[
        Path, typer.Argument(metavar="RELEASE|ARTIFACT", help="A release folder, or the artifact inside it.")
    ],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> None:
    """Show what a release says: artifact, builders, and how deep they rebuilt. Nothing of it is verified."""
    from orchestrator.cli.text import believed, in_lines, print_json, say
    from orchestrator.ground.wording import counted
    from orchestrator.policy.reached import EVERY
    from orchestrator.stories.showing import shown

    found = shown(target)
    if json:
        more = {"believed": found.believed} if found.believed else {}
        print_json({"verified": False, **found.document, **more})
        return
    reached = EVERY if found.reached is None else str(found.reached)
    lines = [
        " ".join(filter(None, (found.name, found.version, f"for {found.system}"))),
        f"  artifact    {found.artifact}, {counted(found.size, 'byte')}",
        f"  sha256      {found.sha256}",
        f"  derivation  {found.derivation}",
        f"  builders    {', '.join(found.builders)} agree ({found.independence})",
        f"  inputs      {reached}",
    ]
    if found.believed:
        lines.append(f"  believed    {believed([each['storePath'] for each in found.believed])}")
    print(in_lines(lines))
    say("nothing of this is verified; `tally verify` does that")
