"""Key files: read with a limit, written so that a secret is never open to others and nothing is replaced."""

from __future__ import annotations

from pathlib import Path

from orchestrator.ground import files
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import read_file, shown

HINT = "a key is PEM, ECDSA on the curve P-256 or Ed25519; whoever signs makes one: `tally keys generate`"
_LARGEST = 1 << 16  # a key file takes some hundred bytes


def read(path: Path) -> bytes:
    """A key file's bytes. Raises TallyError when it cannot be read, or can be no key."""
    data = read_file(path, "the key ", _LARGEST, HINT)
    if len(data) > _LARGEST:
        raise TallyError(f"{shown(path)} is far too large for a key", hint=HINT)
    return data


def pair(path: Path) -> tuple[Path, Path]:
    """The files of a key: `path`.key and `path`.pub. The name may be given with either suffix."""
    base = path.name.removesuffix(".key").removesuffix(".pub")
    return path.with_name(f"{base}.key"), path.with_name(f"{base}.pub")


def create(path: Path, data: bytes, mode: int) -> None:
    """A new file, whole or not at all, that never replaces another. Raises TallyError."""
    try:
        files.create(path, data, mode=mode)
    except FileExistsError as error:
        raise taken(path) from error


def taken(path: Path, hint: str = "choose another name") -> TallyError:
    """The error for a name that is in use."""
    return TallyError(f"{shown(path)} is there already, and keys are never overwritten", hint=hint)
