"""Drafts of folders: made beside their place, under a name that nobody reads, and renamed once whole."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import cannot_write, shown, sync_folder

UNFINISHED: Final = ".unfinished"
"""How a draft's name ends."""


@contextmanager
def draft_of(out: Path, name: str) -> Iterator[Path]:
    """A folder beside the target, to be renamed onto it; else removed, by this run or by the next."""
    out.mkdir(parents=True, exist_ok=True)
    with locked(out):  # so that nobody takes our draft for a dead run's before we hold it
        _remove_abandoned(out, name)
        draft = out / f".{name[:150]}.{os.urandom(6).hex()}{UNFINISHED}"
        draft.mkdir(mode=0o700)
        held = _hold(draft)
    if held is None:
        raise OSError(errno.EWOULDBLOCK, "somebody else holds a folder that was just made", str(draft))
    try:
        yield draft
    finally:
        _remove(draft)
        os.close(held)


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder, which other runs wait for. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _hold(folder: Path) -> int | None:
    """A lock on a draft, which goes with the process; None when somebody has it, or it is gone."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:  # who had it was done with it meanwhile
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _remove_abandoned(out: Path, name: str) -> None:
    """Remove what killed runs left of this release: drafts that nobody holds."""
    for left in out.glob(f".{_literal(name[:150])}.*{UNFINISHED}"):
        held = _hold(left) if left.is_dir() and not left.is_symlink() else None
        if held is not None:
            _remove(left)
            os.close(held)


def _literal(name: str) -> str:
    return "".join(f"[{character}]" if character in "*?[" else character for character in name)


def sync(draft: Path, *, files: bool = False) -> None:
    """Make every name in a draft survive a power cut, and the bytes of its files. Raises OSError."""
    for folder, _, names in os.walk(draft):
        for name in names if files else ():
            with open(Path(folder, name), "rb") as stream:
                os.fsync(stream.fileno())
        sync_folder(Path(folder))


def renamed(draft: Path, target: Path) -> bool:
    """Give the draft its name; False when another run was first. Raises OSError."""
    draft.chmod(0o755)
    try:
        draft.rename(target)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            return False
        raise
    return True


def refuse_unusable(out: Path) -> None:
    """Raises TallyError for a folder that no release could be written to, which may be made by then."""
    for folder in (out, *out.parents):
        try:
            mode = folder.stat().st_mode
        except FileNotFoundError as error:
            if folder.is_symlink():
                raise TallyError(
                    f"cannot write {shown(out)}: {shown(folder)} is a link to nowhere",
                    hint="name another folder",
                ) from error
            continue
        except OSError as error:
            raise cannot_write(out, error) from error
        if not stat.S_ISDIR(mode):
            raise cannot_write(out, NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)))
        _refuse_unwritable(out, folder)
        return


def _refuse_unwritable(out: Path, folder: Path) -> None:
    """Make a folder in `folder` and remove it: nothing else is sure, as root may write and /proc refuses."""
    trial = folder / f".{os.urandom(6).hex()}{UNFINISHED}"
    try:
        trial.mkdir(mode=0o700)
        trial.rmdir()
    except OSError as error:
        raise cannot_write(out, error) from error
