"""`tally logs`: what builds printed, of a target's last run, or of one that goes on."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from orchestrator.ground.state import State
    from orchestrator.stories.logs import Logs


def logs(
    target: Annotated[
        str | None,
        typer.Argument(
            help="A target as it was built, its recipe's file, or a .drv. Default: the last run.",
            show_default=False,
        ),
    ] = None,
    builder: Annotated[
        str | None, typer.Option(metavar="NAME", help="This builder's.", show_default=False)
    ] = None,
    derivation: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Of this derivation: its path, or its name as --list has it.",
            show_default=False,
        ),
    ] = None,
    run: Annotated[
        str | None,
        typer.Option(
            metavar="RUN", help="Of this run, as --list names it. Default: the last.", show_default=False
        ),
    ] = None,
    list_them: Annotated[bool, typer.Option("--list", help="List the logs that there are.")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Print what a run that goes on writes, until it ends.")
    ] = False,
    lines: Annotated[
        int | None,
        typer.Option(
            "--lines", "-n", metavar="N", min=1, help="Print the last N lines alone.", show_default=False
        ),
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="Print every byte as it is, what steers terminals included.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="List the logs as one JSON document.")] = False,
) -> None:
    """Print a build's log: of what failed in the last run, else of the package itself.

    Both builders' logs are mostly alike: the first one's is printed, and the others are named.
    """
    from orchestrator.cli.text import in_lines, print_json
    from orchestrator.ground.errors import TallyError
    from orchestrator.ground.state import State
    from orchestrator.stories.logs import logs_of

    if follow and (list_them or json or lines is not None):
        raise TallyError(
            "--follow prints as it comes, and --list, --json and --lines what is there",
            hint="give --follow, or one of the others",
        )
    state = State.of_environment()
    whole = logs_of(state, target, run)
    if follow:
        _follow(state, whole, builder, derivation, raw=raw)
        return
    found = whole.of(builder, derivation)
    if json:
        print_json(
            {"run": found.run, "goesOn": found.goes_on, "logs": [each.document for each in found.logs]}
        )
        return
    if list_them:
        print(in_lines(_listed(found)))
        return
    _print(found, lines, raw=raw)


def _listed(found: Logs) -> list[str]:
    from orchestrator.cli.text import size

    goes_on = ", which goes on" if found.goes_on else ""
    rows = [f"run {found.run}{goes_on}"]
    for each in found.logs:
        how = each.how.value if each.how is not None else "not ended" if found.goes_on else "no outcome"
        much = "gone" if each.size is None else size(each.size)
        other = "" if each.run == found.run else f" (of the run {each.run})"
        rows.append(f"  {each.builder:<8} {how:<10} {much:>9}  {each.name}{other}")
    return rows


def _print(found: Logs, last: int | None, *, raw: bool) -> None:
    from orchestrator.cli.text import say
    from orchestrator.ground.errors import TallyError
    from orchestrator.ground.wording import some
    from orchestrator.stories.logs import lines

    log = found.foremost
    if log is None:
        if not found.logs:
            raise TallyError(
                f"the run {found.run} has no log: it came to no build",
                hint="`tally history` says what became of it",
            )
        next(lines(found.logs[0]), None)  # says that it is gone
        log = found.logs[0]
    how = f", {log.how.value}" if log.how is not None else ""
    say(f"{log.name} by builder {log.builder} in the run {log.run}{how}: {log.path}")
    for line in lines(log, last):
        _write(line, raw=raw)
    sys.stdout.flush()
    others = sorted({each.builder for each in found.logs if each.name == log.name and each != log})
    if others:
        say(f"hint: its log by {some(others)}: --builder; `--list` lists all of the run")


def _follow(state: State, whole: Logs, builder: str | None, derivation: str | None, *, raw: bool) -> None:
    from orchestrator.cli.text import harmless, say
    from orchestrator.ground.errors import TallyError
    from orchestrator.stories import logs as story

    if not whole.goes_on:
        raise TallyError(
            f"no run goes on: the last one is {whole.run}", hint="without --follow, its log is printed"
        )
    say(f"following the run {whole.run}")
    for log, line in story.follow(state, whole, builder, derivation):
        print(harmless(f"{log.builder}: {log.name} | "), end="")
        _write(line, raw=raw)
        sys.stdout.flush()
    say(f"the run {whole.run} is over: {story.outcome_of(state, whole.run) or 'it was ended'}")


def _write(line: bytes, *, raw: bool) -> None:
    from orchestrator.cli.text import harmless
    from orchestrator.nix.events import plain

    if raw:
        sys.stdout.flush()
        sys.stdout.buffer.write(line + b"\n")
        return
    text = line.decode("utf-8", "replace").rstrip("\r").rpartition("\r")[2]
    print(harmless(plain(text).expandtabs()))
