"""The command lines that are typed most, read without Typer, whose import takes as long as what they ask for.

What is read here means the same to Typer; whatever else there is on the line is left to it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from orchestrator.cli import completion

if TYPE_CHECKING:
    from pathlib import Path


def command(words: Sequence[str]) -> Callable[[], int] | None:
    """What does what this command line asks for; None: it is left to Typer."""
    return _verify(words) or _compare(words)


def _verify(words: Sequence[str]) -> Callable[[], int] | None:
    """`tally verify TARGET... [--key PUB]... [--policy FILE] [--json]`; None: it is another one."""
    if words[:1] != ["verify"] or completion.wanted():
        return None
    from pathlib import Path

    targets: list[str] = []
    trusted: dict[str, list[Path]] = {"--key": [], "--policy": []}
    json = 0
    rest = iter(words[1:])
    for word in rest:
        if word in trusted:
            value = next(rest, "-")
            if not value or value.startswith("-"):
                return None
            trusted[word].append(Path(os.fsdecode(value)))
        elif word == "--json":
            json += 1
        elif not word or word.startswith("-"):
            return None
        else:
            targets.append(word)
    keys, policies = trusted.values()
    if not targets or len(policies) > 1 or json > 1:
        return None

    def judge() -> int:
        from orchestrator.cli import judging

        return judging.plain(targets, keys, policies[0] if policies else None, json=bool(json))

    return judge


def _compare(words: Sequence[str]) -> Callable[[], int] | None:
    """`tally compare A B [--json]`; None: it is another one."""
    if words[:1] != ["compare"] or completion.wanted():
        return None
    json = [word for word in words[1:] if word == "--json"]
    sides = [word for word in words[1:] if word != "--json"]
    if len(json) > 1 or len(sides) != 2 or any(not word or word.startswith("-") for word in sides):
        return None

    def compare() -> int:
        from orchestrator.cli import comparing

        return comparing.compared(*sides, json=bool(json))

    return compare
