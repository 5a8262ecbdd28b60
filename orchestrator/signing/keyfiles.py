"""Key files: read with a limit, written so that a secret is never open to others and nothing is replaced."""

from __future__ import annotations

import os
from pathlib import Path

from orchestrator.errors import TallyError
from orchestrator.files import cannot_write, read_file, shown, sync_folder

HINT = "a key is PEM, ECDSA on the curve P-256 or Ed25519; whoever signs makes one: `tally keys generate`"
_LARGEST = 1 << 16  # a key file takes some hundred bytes


def read(path: Path) -> bytes:
    """A key file's bytes. Raises TallyError when it cannot be read, or can be no key."""
    data = read_file(path, "the key ", _LARGEST, HINT)
    if len(data) > _LARGEST:
        raise TallyError(f"{shown(path)} is far too large for a key", hint=HINT)
    return data


def create(path: Path, data: bytes, mode: int) -> None:
    """A new file, whole or not at all, that never replaces another. Raises TallyError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fchmod(stream.fileno(), mode)
                os.fsync(stream.fileno())
            os.link(temporary, path)  # unlike a rename, refuses when the name is taken
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(path.parent)
    except FileExistsError as error:
        raise taken(path) from error
    except OSError as error:
        raise cannot_write(path, error) from error


def taken(path: Path) -> TallyError:
    """The error for a name that is in use."""
    return TallyError(f"{path} is there already, and keys are never overwritten", hint="choose another name")
