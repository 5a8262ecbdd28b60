"""`tally rebuild --expect`: whether a change is to leave the artifact as a release has it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.ground.errors import TallyError

if TYPE_CHECKING:
    from orchestrator.stories.change import Expectation


class Kind(StrEnum):
    """What a change is expected to do."""

    SAME = "same"
    DIFFERENT = "different"


Expected = Annotated[
    Kind | None,
    typer.Option(
        "--expect",
        help="Build the release's target as it is in this folder: is its artifact that of the release?",
        show_default=False,
    ),
]
ExpectedTarget = Annotated[
    str | None,
    typer.Option(
        "--target",
        metavar="TARGET",
        help="With --expect: what is built, where that is not called as in the release.",
        show_default=False,
    ),
]


def expectation_of(
    kind: Kind | None, target: str | None, releases: Sequence[str], list_file: Path | None, *, signing: bool
) -> Expectation | None:
    """What is expected; None: nothing is, and what the release carries is built. Raises TallyError."""
    from orchestrator.cli.targets import asked_of
    from orchestrator.stories.change import Expectation

    if kind is None:
        if target is not None:
            raise TallyError(
                "--target says what is built in place of what the release carries, which --expect asks for",
                hint="give --expect same or --expect different with it",
            )
        return None
    if signing:
        raise TallyError(
            "--attest and --attach sign what a release's own contents make, and --expect builds what is in "
            "this folder",
            hint="leave one of them out",
        )
    if target is not None and (len(releases) != 1 or list_file is not None or releases == ["-"]):
        raise TallyError("--target is for one release", hint="give the releases one by one")
    found = asked_of([target])[0] if target is not None else None
    return Expectation(kind is Kind.SAME, found)
