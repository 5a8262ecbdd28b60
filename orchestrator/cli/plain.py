"""The command lines that gates type most, read without Typer, whose import takes as long as the judging.

What is read here means the same to Typer; whatever else there is on the line is left to it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from orchestrator.cli import completion

if TYPE_CHECKING:
    from pathlib import Path


def verify(words: Sequence[str]) -> Callable[[], int] | None:
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
