"""Where Tallystick keeps what outlives a run: stores, fetched sources, logs, keys."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import TallyError
from orchestrator.files import cannot_write, make_removable


@dataclass(frozen=True, slots=True)
class State:
    """The state folder and the names in it. Folders are made when first used."""

    root: Path

    @classmethod
    def of_environment(cls) -> State:
        """`$TALLY_STATE`, else `tallystick` in the user's XDG state folder. Nothing is written yet."""
        configured = os.environ.get("TALLY_STATE")
        if configured:
            return cls(Path(configured).absolute())
        base = os.environ.get("XDG_STATE_HOME")
        return cls((Path(base) if base else Path.home() / ".local" / "state") / "tallystick")

    @property
    def sources(self) -> Path:
        return self.root / "sources"

    @property
    def keys(self) -> Path:
        return self.root / "keys"

    @property
    def log(self) -> Path:
        """The embedded transparency log; `logs` are the builds'."""
        return self.root / "log"

    @property
    def disagreements(self) -> Path:
        return self.root / "disagreements"

    def store(self, name: str) -> Path:
        """The root of an embedded store: a builder's, or `orchestrator`, where derivations are evaluated."""
        return self.root / "stores" / name

    def logs(self, run: str, builder: str) -> Path:
        return self.root / "logs" / run / builder

    def folder(self, *names: str) -> Path:
        """A folder in the state, made if need be. Raises TallyError when it cannot be."""
        path = self.root.joinpath(*names)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unusable(self.root, path, error) from error
        return path

    @contextmanager
    def scratch(self, run: str) -> Iterator[Path]:
        """A folder for one run's temporary files, removed at its end like what killed runs left."""
        parent = self.folder("tmp")
        for lock in parent.glob("*.lock"):
            _remove_if_abandoned(lock)
        with _held(parent / f"{run}.lock", temporary=True):
            path = self.folder("tmp", run)
            try:
                yield path
            finally:
                _remove_tree(path)

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Hold a lock that other runs on this state folder respect; it ends with the process."""
        with _held(self.folder("locks") / f"{name}.lock"):
            yield


@contextmanager
def _held(path: Path, *, temporary: bool = False) -> Iterator[None]:
    """Hold a lock file; a temporary one is removed in the end."""
    while True:
        try:
            stream = path.open("a")
        except OSError as error:
            raise cannot_write(path, error) from error
        with stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            if not _is_file_at(stream.fileno(), path):
                continue  # somebody took it for abandoned between our two calls
            try:
                yield
            finally:
                if temporary:
                    path.unlink(missing_ok=True)
            return


def _is_file_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


def _remove_if_abandoned(lock: Path) -> None:
    """Remove a scratch folder and its lock when the run that held it is gone."""
    try:
        with lock.open("a") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove_tree(lock.with_suffix(""))
            lock.unlink(missing_ok=True)
    except OSError:
        return  # still in use, or not ours to remove


def _remove_tree(path: Path) -> None:
    """Remove a folder that may hold what Nix made read-only."""
    make_removable(path)
    shutil.rmtree(path, ignore_errors=True)


def _unusable(root: Path, path: Path, error: OSError) -> TallyError:
    if isinstance(error, PermissionError | FileExistsError | NotADirectoryError):
        return TallyError(
            f"the state folder cannot be used: {path}: {error.strerror}",
            hint=f"make {root} a folder that you can write to, or name another in TALLY_STATE",
        )
    return cannot_write(path, error)
