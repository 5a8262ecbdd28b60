"""The options that say where a package of npm's is from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from orchestrator.cli.asked import Target
    from orchestrator.served.npm_repository import Origin

Repository = Annotated[
    str | None,
    typer.Option(
        "--repository",
        metavar="URL|PATH",
        help="Pack one npm: name from this git repository, at the commit that the registry names.",
        show_default=False,
    ),
]
Commit = Annotated[
    str | None,
    typer.Option(
        "--commit", metavar="HEX", help="With --repository: at this commit instead.", show_default=False
    ),
]


def origin_of(repository: str | None, commit: str | None, targets: Sequence[Target]) -> Origin | None:
    """What was asked for; None: nothing. Raises TallyError where it is about something else."""
    from orchestrator.ground.errors import TallyError

    if repository is None:
        if commit is not None:
            raise TallyError("--commit is of a repository", hint="name that with --repository")
        return None
    if len(targets) != 1 or not str(targets[0]).startswith("npm:"):
        raise TallyError("--repository is about one package", hint="name it alone, as npm:NAME@VERSION")
    from orchestrator.served.npm_repository import Origin  # late: it reads recipes

    return Origin(repository, commit)
