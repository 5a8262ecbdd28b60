"""`--arg NAME EXPR` as Nix's own commands take it: two words, where ours take `NAME=EXPR`."""

from __future__ import annotations

import re
from collections.abc import Sequence

_COMMANDS = ("build", "plan", "sbom")
_OPTIONS = ("--arg", "--argstr")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_'-]*")


def in_one_word(words: Sequence[str]) -> list[str]:
    """A command line without its first word, in which `--arg NAME EXPR` has become `--arg NAME=EXPR`."""
    found: list[str] = []
    left = list(words)
    if not left or left[0] not in _COMMANDS:
        return left
    while left:
        word = left.pop(0)
        found.append(word)
        if word == "--":
            return [*found, *left]
        if word in _OPTIONS and len(left) > 1 and _NAME.fullmatch(left[0]):
            found.append(f"{left.pop(0)}={left.pop(0)}")
    return found
