"""Where a key's passphrase comes from: a file descriptor, the environment, or the person at the terminal."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable
from pathlib import Path

from orchestrator.errors import TallyError

VARIABLE = "TALLY_KEY_PASSPHRASE"
_HINT = f"set {VARIABLE}, give --passphrase-fd, or run the command at a terminal"


def of(path: Path) -> bytes:
    """The passphrase that opens `path`. Raises TallyError when there is nobody to ask."""
    if (given := from_environment()) is not None:
        return given
    if not sys.stdin.isatty():
        raise TallyError(f"{path} needs a passphrase", hint=_HINT)
    return _asked(f"Passphrase of {path}: ")


def source(descriptor: int | None) -> Callable[[Path], bytes]:
    """Where to ask when a key turns out to be encrypted: an open file descriptor, else as `of` does."""
    return of if descriptor is None else lambda _: from_descriptor(descriptor)


def new(path: Path) -> bytes:
    """A new passphrase, typed twice. Raises TallyError when the two differ, or there is nobody to ask."""
    if not sys.stdin.isatty():
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
            line = stream.readline().rstrip(b"\r\n")
    except (OSError, ValueError) as error:
        raise TallyError(
            f"file descriptor {number} cannot be read: {error}", hint="for instance 3<file"
        ) from error
    if not line:
        raise TallyError(f"file descriptor {number} gave no passphrase")
    return line


def _asked(question: str) -> bytes:
    return getpass.getpass(question, sys.stderr).encode()
