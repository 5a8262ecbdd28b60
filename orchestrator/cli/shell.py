"""`tally shell`: into a build's own sandbox, to find out why it fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen
from typing import Annotated

import typer


def shell(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE.toml", help="The recipe whose build is entered.")],
    command: Annotated[
        str | None,
        typer.Option(
            "--command", "-c", metavar="COMMAND", help="Run this in place of a shell.", show_default=False
        ),
    ] = None,
    failed: Annotated[
        bool,
        typer.Option(
            "--failed", help="Go into the folder of its last failed build, which --keep-failed has kept."
        ),
    ] = False,
) -> int:
    """Open a shell where a recipe's build starts its script: same root, environment and user, no network.

    The sources are unpacked, $out can be written, `build` runs the recipe's script and `check` its check.
    Nothing that is made there is kept, counts as a build, or can be signed.

    Exit codes: 0 the shell, or the command, ended well; 1 the command did not; 2 there was none.
    """
    import os
    import subprocess
    import sys

    from orchestrator.builders.configuration import load
    from orchestrator.cli import terminal
    from orchestrator.cli.live import LiveView
    from orchestrator.cli.recipes import named
    from orchestrator.cli.text import say
    from orchestrator.ground.errors import ExitCode, TallyError
    from orchestrator.ground.state import State
    from orchestrator.nix.sandbox import refuse
    from orchestrator.stories import shell as story

    named([recipe])
    if command is None and not terminal.is_there():
        raise TallyError(
            "a shell needs a terminal, and standard input or output is none",
            hint="give what is to be run there with --command",
        )
    kind = os.environ.get("TERM", "dumb")
    view = LiveView()
    with (
        view,
        story.shell(
            State.of_environment(), load(Path.cwd()), recipe, command, kind, view.handle, say, failed=failed
        ) as made,
    ):
        view.close()

        def begin(slave: int) -> Iterator[Popen[bytes]]:
            with made.sandbox.entered(stdin=slave, stdout=slave, stderr=slave, terminal=True) as process:
                yield process

        if command is None:
            kept = "The folder stays" if failed else "Nothing is kept"
            say(f"in the build of {made.name}: `build` runs its script, `check` its check. {kept}")
            ended = terminal.lent(begin)
        else:
            sys.stdout.flush()
            with made.sandbox.entered(
                stdin=subprocess.DEVNULL, stdout=1, stderr=2, terminal=False
            ) as process:
                ended = process.wait()
        refuse(ended)
        status = made.status
    if status is None:
        raise TallyError(
            f"the build of {made.name} did not come to its script: see above",
            hint="a source that is not unpacked as expected, most times",
        )
    if status != 0:
        say(f"the command ended with status {status}")
    return ExitCode.YES if status == 0 else ExitCode.NO
