"""Command lines that make no sense: what was probably meant, and the help to read."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from orchestrator.ground.errors import TallyError

_NEAR = 0.6
_MOST = 3
_CALLED = {"--publisher": "--key"}
"""What options of one command are called in others."""
_EXAMPLES = {"tally keys generate": "keys/release"}
"""What the one argument of a command usually is, where nobody can guess it."""
_WORD = 2  # letters past which the end of an option counts: `--root` for `--trusted-root`


def misused(error: Any) -> TallyError:
    """A usage error of Typer's as one of ours, with the nearest option where there is no such one."""
    option = getattr(error, "option_name", None)
    context = getattr(error, "ctx", None)  # of a usage error; other errors of Typer's have none
    see = f"see `{_command(context)} --help`"
    if option is None or context is None or not hasattr(error, "possibilities"):
        meant = _nearest_choice(error) or _example(error, _command(context))
        return TallyError(_plain(error.format_message()), hint=f"{meant}S{see[1:]}" if meant else see)
    options = _options(context)
    called = _CALLED.get(option)
    found = [called] if called in options else nearest(option, options)
    meant = f"did you mean {' or '.join(found)}? " if found else ""
    return TallyError(f"No such option: {option}", hint=meant + (see if not found else f"S{see[1:]}"))


def _plain(said: str) -> str:
    """What Typer says of a number that is none, or out of bounds, without the type's name."""
    if said.startswith("Usage:"):  # the help, which is laid out
        return said
    said = " ".join(said.split())
    said = re.sub(r"is not a valid (int|integer|int range|integer range)\.", "is no whole number.", said)
    return re.sub(r"is not in the range x>=(-?\d+)\.", r"is less than \1.", said)


def _example(error: Any, command: str) -> str:
    """What to write for an argument that is missing, where there is a usual one."""
    if command in _EXAMPLES and error.format_message().startswith("Missing argument"):
        return f"write `{command} {_EXAMPLES[command]}`. "
    return ""


def _nearest_choice(error: Any) -> str:
    """The question for a value that is not one of an option's: whether a near one was meant."""
    found = re.match(r"'(.*)' is not one of (.*)\.$", str(getattr(error, "message", "")), re.DOTALL)
    if found is None:
        return ""
    choices = re.findall(r"'([^']*)'", found[2])
    near = [each for each in choices if found[1] and each.startswith(found[1].lower())]
    near = near or get_close_matches(found[1].lower(), choices, n=1, cutoff=_NEAR)
    return f"did you mean {' or '.join(near)}? " if near else ""


def nearest(written: str, options: list[str]) -> list[str]:
    """The likeliest options, by their words without dashes and `no`; the likeliest first."""
    stems: dict[str, list[str]] = {}
    for option in options:
        stems.setdefault(_stem(option), []).append(option)
    stem = _stem(written)
    begun = [each for each in stems if each.startswith(stem)] if len(stem) > 1 else []
    ended = [each for each in stems if each.endswith(stem)] if len(stem) > _WORD else []
    close = (
        begun
        or ended
        or get_close_matches(stem, list(stems), n=1, cutoff=_NEAR)
        or _swapped(stem, list(stems))
    )
    return [option for each in close for option in stems[each]][:_MOST]


def _stem(option: str) -> str:
    return option.lstrip("-").partition("=")[0].lower().replace("_", "-").removeprefix("no-").replace("-", "")


def _swapped(stem: str, stems: list[str]) -> list[str]:
    """Words with the same letters in another order: what short ones are mistyped to."""
    return [each for each in stems if sorted(each) == sorted(stem)][:1]


def _options(context: Any) -> list[str]:
    """Every long option of a command, and of those above it."""
    found = [
        option
        for parameter in context.command.get_params(context)
        if not getattr(parameter, "hidden", False)
        for option in (*parameter.opts, *parameter.secondary_opts)
        if option.startswith("--")
    ]
    return list(dict.fromkeys(found))


def _command(context: Any) -> str:
    """The command that was misused, with its subcommands, as its user would type it."""
    if context is None:
        return " ".join(["tally", *_begun(sys.argv[1:])])
    words: list[str] = []
    while context is not None and context.parent is not None:  # the outermost is named as it was started
        words.insert(0, context.info_name or "")
        context = context.parent
    return " ".join(["tally", *words])


def _begun(words: Sequence[str]) -> list[str]:
    """The command that a command line begins with, where Typer does not say whose option lacks its value."""
    import typer.main

    from orchestrator.cli.app import app

    found: list[str] = []
    command: Any = typer.main.get_command(app)
    for word in words:
        command = getattr(command, "commands", {}).get(word)
        if command is None:
            break
        found.append(word)
    return found
