"""A log's folder: its lock, whole and durable writes, and what earlier writes left that nobody needs."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import cannot_write, contents, sync_folder
from orchestrator.log import tiles
from orchestrator.log.tiles import WIDTH, Level

_UNFINISHED = ".tmp"
_LARGEST = 1 << 25  # bytes; a full tile of entries has up to half of that
_AT_ONCE = 64  # files; a process may have some thousand open


@dataclass(frozen=True, slots=True)
class LogFolder:
    """Names in it are relative, with `/`."""

    path: Path

    def has(self, name: str) -> bool:
        return os.path.lexists(self.path / name)

    def read(self, name: str) -> bytes:
        """A whole file. Raises TallyError."""
        try:
            return contents(self.path / name, _LARGEST)
        except FileNotFoundError as error:
            raise TallyError(
                f"the log in {self.path} is damaged: {name} is gone", hint="put the folder back as it was"
            ) from error
        except OSError as error:
            raise TallyError(f"cannot read {self.path / name}: {error.strerror or error}") from error

    def write(self, files: Mapping[str, bytes], *, mode: int = 0o644) -> None:
        """Files by name, there whole and for good when this returns. The lock is held. Raises TallyError."""
        names = list(files)
        try:
            for start in range(0, len(names), _AT_ONCE):
                self._write({name: files[name] for name in names[start : start + _AT_ONCE]}, mode)
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def _write(self, files: Mapping[str, bytes], mode: int) -> None:
        """All of one step before the next one: the file system then commits several files at once."""
        paths = [self.path / name for name in files]
        folders = list(dict.fromkeys(path.parent for path in paths))
        for folder in folders:
            self._make(folder)
        with ExitStack() as streams:
            opened = [streams.enter_context(_create(_draft(path), mode)) for path in paths]
            for stream, data in zip(opened, files.values(), strict=True):
                stream.write(data)
                stream.flush()
            for stream in opened:
                os.fsync(stream.fileno())
        for path in paths:
            _draft(path).replace(path)
        for folder in folders:
            sync_folder(folder)

    def _make(self, folder: Path) -> None:
        for each in reversed([folder, *folder.parents]):
            if not each.exists():
                each.mkdir(exist_ok=True)
                sync_folder(each.parent)

    def tidy(self, old_size: int, size: int, written: Iterable[str]) -> None:
        """Remove partial tiles that a wider or a full one replaces, and what writes that were cut short left.

        `old_size` is the log's before the entries that made it `size`; `written` are the files of that.
        Does what it can: whatever stays does no harm, and the next time is soon.
        """
        every: list[Level] = ["entries", *tiles.levels(size)]
        for level in every:
            first, last = (tiles.count(level, each) // WIDTH for each in (old_size, size))
            for index in range(max(0, first - 1), last + 1):  # the one before: a run may have ended just here
                self._tidy_partial(level, index, size)
        for folder in {self.path, *((self.path / name).parent for name in written)}:
            with suppress(OSError):
                for left in folder.glob(f".*{_UNFINISHED}"):
                    left.unlink(missing_ok=True)

    def _tidy_partial(self, level: Level, index: int, size: int) -> None:
        folder = self.path / f"{tiles.path(level, index)}.p"
        width = tiles.width(level, index, size)
        if width in (0, WIDTH):
            shutil.rmtree(folder, ignore_errors=True)
            return
        with suppress(OSError):
            for each in folder.iterdir():
                if each.name != str(width):
                    each.unlink(missing_ok=True)

    @contextmanager
    def locked(self, *, exclusive: bool) -> Iterator[None]:
        """Hold the folder, alone or with other readers; that ends with the process. Raises TallyError."""
        try:
            if exclusive:
                self.path.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise TallyError(f"cannot use the log in {self.path}: {error.strerror or error}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
            yield
        finally:
            os.close(descriptor)


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}{_UNFINISHED}")


def _create(path: Path, mode: int) -> BinaryIO:
    """A new file, at no moment readable by more than `mode` lets, in place of what a killed run left."""
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb")
