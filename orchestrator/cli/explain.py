"""`tally explain`: what a code means that `tally` prints, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from orchestrator.cli.codes import Explained


def explain(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CODE",
            help="An exit code, a reason, a cause, a kind of error or a verdict. Default: list all.",
            show_default=False,
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> None:
    """Explain a code that tally prints: what it means, and what to do about it."""
    from orchestrator.cli.codes import codes, named, near, plain
    from orchestrator.cli.text import in_lines, print_json
    from orchestrator.ground.errors import TallyError

    asked = " ".join(words or [])
    found = named(asked) if words else list(codes())
    if not found:
        alike = ", ".join(f"`{each}`" for each in near(asked))
        raise TallyError(
            f"{asked[:80]!r} is no code that tally prints",
            hint=f"did you mean {alike}?" if alike else _other(asked),
        )
    if json:
        print_json(
            {
                "codes": [
                    {
                        "name": each.name,
                        "kind": str(each.kind),
                        "means": plain(each.means),
                        "more": plain(each.more) or None,
                        "do": plain(each.way_out),
                    }
                    for each in found
                ]
            }
        )
        return
    print(in_lines(_whole(found) if words else _list(found)))


def _other(asked: str) -> str:
    """What to do where no code is spelt alike: a target is what other commands tell of."""
    if asked.endswith((".toml", ".drv")) or "#" in asked:
        return (
            "it names a target: `tally history` says what became of it, and `tally diagnose` why it differs"
        )
    return "`tally explain` alone lists them all"


def _whole(found: Sequence[Explained]) -> Iterator[str]:
    from orchestrator.cli.codes import TITLES, Kind, plain

    for place, each in enumerate(found):
        if place:
            yield ""
        yield f"{each.name}: {TITLES[each.kind]}"
        yield f"  means       {plain(each.means)}"
        if each.more:
            yield f"  {'examples' if each.kind is Kind.EXIT else 'proven by':<11} {plain(each.more)}"
        yield f"  what to do  {plain(each.way_out)}"


def _list(found: Sequence[Explained]) -> Iterator[str]:
    from itertools import groupby

    from orchestrator.cli.codes import TITLES, plain

    for kind, some in groupby(found, key=lambda each: each.kind):
        yield f"{TITLES[kind]}:"
        yield from (f"  {each.name:<24} {_first(plain(each.means))}" for each in some)


def _first(text: str) -> str:
    """The beginning of a text, as a list has room for it."""
    first = text.partition("; ")[0].partition(". ")[0]
    return first if len(first) <= 90 else f"{first[:89]}…"
