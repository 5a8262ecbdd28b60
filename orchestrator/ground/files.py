"""Files: opened so that none makes us wait, and written so that each is there whole or not at all."""

from __future__ import annotations

import codecs
import errno
import fcntl
import itertools
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from orchestrator.ground.errors import TallyError

_LONGEST_SHOWN = 255
"""Characters of a path. As many bytes are the longest name in a folder (NAME_MAX)."""
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV})
"""What file systems without hard links answer (link(2))."""


def opened(path: Path) -> BinaryIO:
    """A regular file to read, or a pipe that this process has open, as the shell's `<(…)` and `/dev/stdin`.

    Raises OSError, also for a named pipe, which might never have a writer, and for a device, which might
    never end; ValueError for a name with a NUL.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not (stat.S_ISREG(mode) or (stat.S_ISFIFO(mode) and _is_descriptor(path))):
            kind = "named pipe" if stat.S_ISFIFO(mode) else "device"
            raise OSError(errno.EINVAL, f"it is a {kind}, and no file", str(path))
        os.set_blocking(descriptor, True)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def contents(path: Path, largest: int) -> bytes:
    """What a file holds that somebody else may have written: `largest` bytes at most.

    Raises OSError and ValueError as `opened` does; of a file that is larger an OSError with EFBIG.
    """
    with opened(path) as stream:
        data = stream.read(largest + 1)
    if len(data) > largest:
        raise OSError(errno.EFBIG, f"it is larger than {largest} bytes", str(path))
    return data


def without_mark(data: bytes) -> bytes:
    """A text without the byte order mark that editors on Windows put before UTF-8."""
    return data.removeprefix(codecs.BOM_UTF8)


def _is_descriptor(path: Path) -> bool:
    """Whether a path names what this process has open (proc_pid_fd(5))."""
    if str(path) == "/dev/stdin":
        return True
    return re.fullmatch(r"/proc/\d+(/task/\d+)?/fd", os.path.realpath(path.parent)) is not None


def read_file(path: Path, what: str, largest: int, hint: str) -> bytes:
    """A file's bytes, no further than one past `largest`, so that whoever asks can tell what is too large.

    `what` names it in messages, as "the key "; `hint` says what it should be. Raises TallyError when there is
    no such file, or it cannot be read.
    """
    try:
        with opened(path) as stream:
            return stream.read(largest + 1)
    except (OSError, ValueError) as error:
        raise cannot_read(path, error, what, hint) from error


def cannot_read(path: Path, error: OSError | ValueError, what: str, hint: str) -> TallyError:
    """The error for a user who named what is not there, or may not be read."""
    if not isinstance(error, OSError):  # a NUL in the name
        return TallyError(f"{shown(path)} cannot name a file", hint=hint)
    said = error.strerror or str(error)
    if error.errno == errno.ENOENT and path.is_symlink():
        said = f"it is a link to {shown(path.readlink())}, which is not there"
    return TallyError(f"cannot read {what}{shown(path)}: {said}", hint=hint)


def shown(path: Path) -> str:
    """A path as messages have it: in one line, and of one that is longer than a name can be the beginning."""
    text = str(path)
    if len(text) > _LONGEST_SHOWN:
        return f"{_plain(text[:_LONGEST_SHOWN])}… ({len(text)} characters)"
    return _plain(text)


def _plain(text: str) -> str:
    return text if text.isprintable() else repr(text)


@contextmanager
def written_atomically(path: Path, *, mode: int = 0o644, synced: bool = True) -> Iterator[BinaryIO]:
    """A stream whose bytes stand at `path` once the block ends well, and leave no trace if it does not.

    Without `synced` they survive a power cut only from the next `sync_file_system` on: for many small files.
    Raises TallyError when the disk is full or the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = _beside(path)
        with os.fdopen(descriptor, "wb") as stream:  # it is ours for as long as it is open
            try:
                yield stream
                stream.flush()
                os.fchmod(stream.fileno(), mode)
                if synced:
                    os.fsync(stream.fileno())
                temporary.replace(path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
        if synced:
            sync_folder(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error


def _beside(path: Path) -> tuple[int, Path]:
    """A new file to write, locked, with a name by which the next one who writes `path` finds what is left.

    Raises OSError.
    """
    for number in itertools.count():
        temporary = path.with_name(f".{path.name[:100]}.{number}.tmp")
        if os.path.lexists(temporary) and not _removed(temporary):
            continue
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            continue
        with suppress(OSError):  # some file systems have no locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if _is_at(temporary, descriptor):
            return descriptor, temporary
        os.close(descriptor)  # somebody took it for one that was left, before it was locked
    raise AssertionError("numbers do not end")


def _removed(temporary: Path) -> bool:
    """Remove a file that a process left which was killed; False: somebody writes it, or it is another's."""
    try:
        descriptor = os.open(temporary, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            return False
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_at(temporary, descriptor):
            temporary.unlink()
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def write_atomically(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Like `written_atomically`, for bytes already at hand."""
    with written_atomically(path, mode=mode) as stream:
        stream.write(data)


def write_scratch(path: Path, text: str) -> None:
    """A text for a process that we start, which need not survive a power cut.

    Raises TallyError when the disk refuses: an OSError of a full one names no file.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise cannot_write(path, error) from error


def create(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """A new file, whole or not at all, that never replaces another, not even one made in this moment.

    Raises FileExistsError when the name is taken, also by a dangling link, and TallyError as
    `written_atomically` does.
    """
    create_from(path, lambda: iter((data,)), mode=mode)


def create_from(path: Path, chunks: Callable[[], Iterator[bytes]], *, mode: int = 0o644) -> None:
    """Like `create`, from pieces, which may be asked for again. Where they raise, nothing is made."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:  # also where a file has a folder's name
        raise cannot_write(path, error) from error
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _create_in(folder, path.name, chunks, mode)
        finally:
            os.close(folder)
        try:
            sync_folder(path.parent)
        except OSError:
            path.unlink(missing_ok=True)  # what is told as not written is not there
            raise
    except FileExistsError:
        raise
    except OSError as error:
        raise cannot_write(path, error) from error


def _create_in(folder: int, name: str, chunks: Callable[[], Iterator[bytes]], mode: int) -> None:
    """The file gets its name once it is whole, by a link: unlike a rename, that refuses a name that is taken.

    Until then it has none, so that not even a SIGKILL leaves one behind (open(2), O_TMPFILE); or a temporary
    one, where the file system has no files without a name. Raises OSError.
    """
    temporary = ""
    try:
        Path("/proc/self/fd").stat()  # by which a file without a name is linked
        descriptor = os.open(".", os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC, mode, dir_fd=folder)
    except OSError:
        temporary = f".{name[:100]}.{os.getpid()}.{os.urandom(4).hex()}.tmp"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = os.open(temporary, flags, mode, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            _fill(stream, chunks(), mode)
            if temporary:
                os.link(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
            else:
                os.link(f"/proc/self/fd/{descriptor}", name, dst_dir_fd=folder)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _create_in_place(folder, name, chunks, mode)
    finally:
        if temporary:
            os.unlink(temporary, dir_fd=folder)


def _create_in_place(folder: int, name: str, chunks: Callable[[], Iterator[bytes]], mode: int) -> None:
    """The same where a file can have one name alone, as on FAT: only a kill leaves a part. Raises OSError."""
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            _fill(stream, chunks(), mode)
    except BaseException:
        os.unlink(name, dir_fd=folder)
        raise


def _fill(stream: BinaryIO, chunks: Iterator[bytes], mode: int) -> None:
    """Write all of a file, so that it survives a power cut; the umask takes nothing from its mode."""
    stream.writelines(chunks)
    stream.flush()
    os.fchmod(stream.fileno(), mode)
    os.fsync(stream.fileno())


def expanded(path: Path) -> Path:
    """A path with `~` and `~NAME` taken for home folders. Raises TallyError for one that is not known."""
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise TallyError(
            f"{path} begins with the home folder of somebody who is not known here",
            hint="write the folder's whole name, or ./~NAME for a file that is called so",
        ) from error


def make_removable(folder: Path) -> None:
    """Let the owner write in a folder and all folders in it, where they are ours; Nix forbids it."""
    for path, _, _ in os.walk(folder):
        try:
            os.chmod(path, 0o700)
        except OSError:
            continue


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut, where the file system can do that (fsync(2))."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(descriptor)


def sync_file_system(folder: Path) -> None:
    """Make everything on a folder's file system survive a power cut (syncfs(2)). Raises OSError."""
    import ctypes

    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if library.syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(descriptor)


def cannot_write(path: Path, error: OSError) -> TallyError:
    """The error for a user whose disk or permissions stopped a write."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return TallyError(
            f"no room left on the disk to write {shown(path)}",
            hint="free some space and run the command again",
        )
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return TallyError(
            f"cannot write {shown(path)}: there is a file where a folder is needed",
            hint="name another folder",
        )
    said = f"cannot write {shown(path)}: {error.strerror or error}"
    if error.errno == errno.ENAMETOOLONG:
        return TallyError(said, hint="name another place, shorter")
    return TallyError(said, hint="check the folder's owner and permissions")
