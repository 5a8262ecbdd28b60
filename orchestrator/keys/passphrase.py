"""Where a passphrase or a token's PIN comes from: a file descriptor, the environment, or the terminal."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import read_file
from orchestrator.ground.interruption import INTERRUPTION
from orchestrator.ground.plainly import why

VARIABLE = "TALLY_KEY_PASSPHRASE"
_HINT = f"set {VARIABLE}, give --passphrase-fd, or run the command at a terminal"
_LONGEST = 4096  # bytes of a PIN's file, and of a passphrase
_PIN_FILE = "its first line is the PIN; the token was not asked"


@dataclass(frozen=True, slots=True)
class Pin:
    """What a token is opened with."""

    token: str
    source: Path | None = None
    """A file that holds it, where the key's address names one."""

    def __str__(self) -> str:
        return f"the token {self.token!r}"


Locked = Path | Pin
"""A file that a passphrase opens, or a token that a PIN does."""


def of(locked: Locked) -> bytes:
    """What opens it. Raises TallyError when there is nobody to ask."""
    if isinstance(locked, Pin) and locked.source is not None:
        return _from_file(locked.source)
    if (given := from_environment()) is not None:
        return given
    secret = "PIN" if isinstance(locked, Pin) else "passphrase"
    if not sys.stdin or not sys.stdin.isatty():
        raise TallyError(f"{locked} needs a {secret}", hint=_HINT)
    return _asked(f"{secret[0].upper()}{secret[1:]} of {locked}: ")


def source(descriptor: int | None) -> Callable[[Locked], bytes]:
    """Where to ask when a key turns out to be locked: an open file descriptor, else as `of` does."""
    return of if descriptor is None else lambda _: from_descriptor(descriptor)


def new(path: Path) -> bytes:
    """A new passphrase, typed twice. Raises TallyError when the two differ, or there is nobody to ask."""
    if not sys.stdin or not sys.stdin.isatty():
        raise TallyError(f"nobody is there to type a passphrase for {path}", hint=_HINT)
    first = _asked(f"New passphrase for {path}: ")
    if not first:
        raise TallyError(
            "an empty passphrase protects nothing", hint="leave --passphrase out for a key without one"
        )
    if first != _asked("The same again: "):
        raise TallyError("the two passphrases differ; no key was made")
    return first


def from_environment() -> bytes | None:
    """What `TALLY_KEY_PASSPHRASE` holds; None when it is absent or empty."""
    value = os.environb.get(VARIABLE.encode())
    return value or None


def from_descriptor(number: int) -> bytes:
    """The first line that an open file descriptor gives. Raises TallyError when there is none."""
    try:
        with os.fdopen(number, "rb") as stream:
            line = stream.readline(_LONGEST + 2)
    except (OSError, ValueError) as error:
        raise TallyError(
            f"file descriptor {number} cannot be read: {why(error)}", hint="for instance 3<file"
        ) from error
    line = line.rstrip(b"\r\n")
    if len(line) > _LONGEST:  # one that is cut would be another one
        raise TallyError(f"file descriptor {number} gave a line of more than {_LONGEST} bytes")
    if not line:
        raise TallyError(f"file descriptor {number} gave no passphrase")
    return line


def _from_file(path: Path) -> bytes:
    content = read_file(path, "the PIN's file ", _LONGEST, _PIN_FILE)
    if len(content) > _LONGEST:
        raise TallyError(f"the PIN's file {path} is longer than {_LONGEST} bytes", hint=_PIN_FILE)
    line = content.split(b"\n", 1)[0].rstrip(b"\r")
    if not line:
        raise TallyError(f"the PIN's file {path} is empty", hint=_PIN_FILE)
    return line


def _asked(question: str) -> bytes:
    INTERRUPTION.asking = True
    answer = getpass.getpass(question, sys.stderr).encode()
    INTERRUPTION.asking = False
    return answer
