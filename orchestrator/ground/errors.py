"""The one root error: a message, a hint and an exit code. The command line prints it; nothing else does."""

from __future__ import annotations

from enum import IntEnum, StrEnum

from orchestrator.ground.secrets import without_secrets


class ExitCode(IntEnum):
    """What a process of ours says to the one that started it."""

    YES = 0
    NO = 1  # an honest no: builds disagree, a verdict failed
    UNDECIDED = 2  # bad input, builder unreachable, a build failed
    INTERRUPTED = 130


class ErrorKind(StrEnum):
    """What `--json` calls an error: docs/reference/exit-codes.md."""

    USAGE = "usage"
    REFUSED = "refused"
    SYSTEM = "system"
    INTERRUPTED = "interrupted"
    OUT_OF_TIME = "out-of-time"
    DEFECT = "defect"


class TallyError(Exception):
    """Something a user can cause or must know of.

    `message` names the thing and the place; `hint` the way out, when there is one. Both are plain text
    without markup and may span lines. What could be a password or a token in an address is left out of both.
    """

    exit_code: ExitCode = ExitCode.UNDECIDED
    kind: ErrorKind = ErrorKind.REFUSED

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        self.message = without_secrets(message)
        self.hint = None if hint is None else without_secrets(hint)
        super().__init__(self.message)


class Defect(TallyError):
    """An error of Tallystick itself, told of one thing where others are judged all the same."""

    kind = ErrorKind.DEFECT
