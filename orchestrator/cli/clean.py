"""`tally clean`: what of the state folder can go, and, when that is asked, its removal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.ground.errors import TallyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.stories.cleaning import Kind, Piece

_SIZE = re.compile(r"(\d+)([KMGT]?)(?:i?B)?", re.IGNORECASE)
_SHOWN = 10
_DAYS = 30


def clean(
    yes: Annotated[bool, typer.Option("--yes", help="Remove it. Without this it is only listed.")] = False,
    older_than: Annotated[
        int | None,
        typer.Option(
            "--older-than",
            metavar="DAYS",
            min=0,
            help="What was not used for so many days.",
            show_default=str(_DAYS),
        ),
    ] = None,
    quota: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE", help="Of each kind, also the oldest beyond this, as 20G.", show_default=False
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND",
            help="Of this kind alone: logs, disagreements, downloads or outputs. Give it again for more.",
            show_default=False,
        ),
    ] = None,
    disagreement: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="This kept disagreement and nothing else, though nobody has signed evidence of it: the "
            "whole name of its folder. Give it again for more.",
            show_default=False,
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> None:
    """List what of the state folder can go, and remove it with --yes.

    Outputs are those on which builders agreed, in the stores of embedded builders; they are built again
    when they are needed. What a run that goes on may use stays, and so does a disagreement of which nobody
    has signed evidence, with what it was made with, until it is named with --disagreement.
    """
    from datetime import timedelta

    from orchestrator.cli.text import in_lines, print_json, say
    from orchestrator.ground.state import State
    from orchestrator.stories import cleaning

    state, kinds = State.of_environment(), _kinds(only or [])
    age, size = timedelta(days=_DAYS if older_than is None else older_than), _bytes(quota)
    if disagreement:
        if only or quota is not None or older_than is not None:
            raise TallyError(
                "--disagreement names what is to go, and --only, --quota and --older-than choose it",
                hint="give --disagreement alone, with --yes to remove it",
            )
        kinds = ["disagreements"]
        if yes:
            found, gone = cleaning.clean_named(state, say, disagreement)
        else:
            found, gone = cleaning.named(state, disagreement), ()
    elif yes:
        found, gone = cleaning.clean(state, say, older_than=age, quota=size, kinds=kinds)
    else:
        found, gone = cleaning.found(state, older_than=age, quota=size, kinds=kinds), ()
    if json:
        print_json(
            {
                "found": [each.document for each in found.pieces],
                "size": found.size,
                "removed": [each.document for each in gone],
                "stays": list(found.stays),
            }
        )
        return
    for sentence in found.stays:
        say(sentence)
    print(in_lines(_lines(gone if yes else found.pieces, kinds, removed=yes)))
    if found.pieces and not yes:
        only_copy = "; nobody else may have these results" if disagreement else ""
        say(f"nothing was removed: give --yes for that{only_copy}")


def _lines(pieces: Sequence[Piece], kinds: Sequence[Kind], *, removed: bool) -> list[str]:
    lines = []
    for kind in kinds:
        some = [each for each in pieces if each.kind == kind]
        lines.append(f"{kind}: {len(some)}, {_shown(sum(each.size for each in some))}")
        lines += [f"  {_shown(each.size):>10}  {each.time:%Y-%m-%d}  {each.name}" for each in some[:_SHOWN]]
        if len(some) > _SHOWN:
            lines.append(f"  … and {len(some) - _SHOWN} more")
    verb = "removed" if removed else "can go"
    lines.append(f"{_shown(sum(each.size for each in pieces))} {verb}")
    return lines


def _kinds(only: Sequence[str]) -> Sequence[Kind]:
    from orchestrator.stories.cleaning import KINDS

    if unknown := [each for each in only if each not in KINDS]:
        raise TallyError(
            f"there is no kind {unknown[0]!r} to clean", hint=f"the kinds are {', '.join(KINDS)}"
        )
    return [each for each in KINDS if not only or each in only]


def _bytes(text: str | None) -> int | None:
    if text is None:
        return None
    found = _SIZE.fullmatch(text)
    if found is None:
        raise TallyError(f"{text!r} is no size", hint="give bytes, or a number with K, M, G or T, as 20G")
    return int(found[1]) << 10 * " KMGT".index(found[2].upper() or " ")


def _shown(size: int) -> str:
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024  # type: ignore[assignment]  # it is shown, and no more reckoned with
    return f"{size:.1f} GiB"
