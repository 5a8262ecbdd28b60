"""Shell completion, which is Typer's: its ways to end, as exit codes and errors of ours."""

from __future__ import annotations

import os
import sys
from typing import Final

from orchestrator.ground.errors import ExitCode, TallyError

_VARIABLE: Final = "_TALLY_COMPLETE"
"""What shells ask through: `source_SHELL` for their script, `complete_SHELL` from inside it."""
_OPTIONS: Final = ("--install-completion", "--show-completion")
_HINT = f"`{_VARIABLE}=source_bash tally` prints bash's script; so it does for zsh, fish, powershell and pwsh"


def code_of(ended: SystemExit) -> int:
    """How Typer ends once it has answered a shell. Raises TallyError where it could not."""
    if not ended.code or os.environ.get(_VARIABLE) == "complete_fish":  # fish is told by 1: there is nothing
        return ended.code if isinstance(ended.code, int) else ExitCode.YES
    raise refusal()


def refused(result: object) -> bool:
    """Whether the shell that was to get completions, asked for by an option, is not one of Typer's."""
    return result == ExitCode.NO and sys.argv[1:2] in ([each] for each in _OPTIONS)


def wanted() -> bool:
    """Whether a shell asks, so that nothing else was to be done."""
    return bool(os.environ.get(_VARIABLE))


def refusal() -> TallyError:
    """The error for what Typer has no completion for."""
    asked = f"{_VARIABLE}={os.environ[_VARIABLE]}" if wanted() else "this shell"
    return TallyError(f"there is no completion for {asked}", hint=_HINT)
