"""Shell completion, which is Typer's: its ways to end, as exit codes and errors of ours."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

from orchestrator.ground.errors import ExitCode, TallyError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_VARIABLE: Final = "_TALLY_COMPLETE"
"""What shells ask through: `source_SHELL` for their script, `complete_SHELL` from inside it."""
_OPTIONS: Final = ("--install-completion", "--show-completion")
INSTALL: Final = _OPTIONS[0]
HELP: Final = {
    "install_completion": "Write completion for your shell into its own files, and say into which.",
    "show_completion": "Print that completion instead, and write nothing.",
}
"""What the two do, in place of Typer's words."""
_STARTED: Final = (".bashrc", ".zshrc")
"""Files of a home folder that Typer adds a line to, by which the shell finds its completion."""
_LARGEST: Final = 1 << 24
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


def installing() -> bool:
    """Whether completion is to be written."""
    return sys.argv[1:2] == [INSTALL]


def started_by() -> Mapping[Path, bytes]:
    """What is in the files that a shell reads when it starts; of those that are not there, nothing.

    Raises TallyError for one that Typer could not read.
    """
    from pathlib import Path

    from orchestrator.ground.files import read_file

    found = {}
    for path in (Path.home() / name for name in _STARTED):
        data = read_file(path, "", _LARGEST, _HINT) if os.path.lexists(path) else b""
        try:
            data.decode()
        except UnicodeDecodeError as error:
            raise TallyError(
                f"{path} is not in UTF-8, so no line can be added to it",
                hint="`tally --show-completion` prints what to put where your shell looks for completion",
            ) from error
        found[path] = data
    return found


def tell(before: Mapping[Path, bytes]) -> None:
    """Say which of them have a line more than they had."""
    from orchestrator.cli.text import say

    for path, now in started_by().items() if before else ():
        added = [line for line in now.splitlines() if line and line not in before[path].splitlines()]
        for line in added:
            say(f"added to {path}: {line.decode()}")
        if added:
            say(f"to be rid of it, take that out of {path} and remove the file above")
