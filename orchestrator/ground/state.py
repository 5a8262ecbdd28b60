"""Where Tallystick keeps what outlives a run: stores, fetched sources, logs, keys."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import cannot_write, make_removable, shown
from orchestrator.ground.values import dataclass

_LEDGER = "ledger.sqlite"
_CLEANING = "cleaning"
"""The lock that runs share and that `tally clean` has alone."""
_FLOCK = "hhqqi0q"
"""C's `struct flock` with 64-bit offsets: type, whence, start, length, process, and what pads it."""


@dataclass(frozen=True, slots=True)
class State:
    """The state folder and the names in it. Folders are made when first used."""

    root: Path

    @classmethod
    def of_environment(cls) -> State:
        """`$TALLY_STATE`, else `tallystick` in the user's XDG state folder. Nothing is written yet.

        Links on the way there are followed here, once: Nix refuses a store whose path goes through one.
        Raises TallyError for a link that leads nowhere, as to a disk that is not mounted.
        """
        configured = os.environ.get("TALLY_STATE")
        base = os.environ.get("XDG_STATE_HOME")
        if configured:
            root = Path(configured)
        else:
            root = (Path(base) if base else Path.home() / ".local" / "state") / "tallystick"
        real = Path(os.path.realpath(root))
        if os.path.lexists(root) and not os.path.lexists(real):
            raise TallyError(
                f"the state folder {shown(root)} is a link to {shown(real)}, which is not there",
                hint="make that folder, or mount its disk; or name another folder with TALLY_STATE",
            )
        return cls(real)

    @classmethod
    def named(cls, word: str) -> State | None:
        """The one that a word names, by itself or by its ledger; None: there is no ledger in it."""
        path = Path(word)
        if path.is_dir():
            path /= _LEDGER
        return cls(path.parent.resolve()) if path.name == _LEDGER and path.is_file() else None

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
    def ledger(self) -> Path:
        """What was built here, by whom, with what result."""
        return self.root / _LEDGER

    @property
    def others(self) -> Path:
        """What other operators signed of their builds, as `tally ledger merge` took it in."""
        return self.root / "others"

    @property
    def disagreements(self) -> Path:
        return self.root / "disagreements"

    def store(self, name: str) -> Path:
        """The root of an embedded store: a builder's, or `orchestrator`, where derivations are evaluated."""
        return self.root / "stores" / name

    def holding(self, *paths: str) -> Path | None:
        """The root of an embedded store that has these store paths; None: none has all."""
        for store in sorted((self.root / "stores").glob("*")):
            if all(os.path.lexists(store / path.lstrip("/")) for path in paths):
                return store
        return None

    def logs(self, run: str, builder: str) -> Path:
        return self.root / "logs" / run / builder

    def folder(self, *names: str) -> Path:
        """A folder in the state, made if need be. Raises TallyError when it cannot be.

        A state that is made here keeps out of a git repository that it may be in: it holds builders' keys.
        """
        path = self.root.joinpath(*names)
        try:
            new = not os.path.lexists(self.root)
            path.mkdir(parents=True, exist_ok=True)
            if new:
                (self.root / ".gitignore").write_text("*\n")
        except OSError as error:
            raise _unusable(self.root, path, error) from error
        return path

    @contextmanager
    def scratch(self, run: str, waiting: Callable[[], None] = lambda: None) -> Iterator[Path]:
        """A folder for one run's temporary files, removed at its end like what killed runs left.

        While it is there, `tally clean` removes nothing that a run may use; `waiting` is called before one
        that is at it is waited for.
        """
        with _shared(self.folder("locks") / _CLEANING, waiting), self.scratch_of_cleaning(run) as path:
            yield path

    @contextmanager
    def cleaned(self) -> Iterator[bool]:
        """Whether nobody uses what is in here: then nobody begins to, until this ends."""
        with (self.folder("locks") / _CLEANING).open("a") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True

    @contextmanager
    def scratch_of_cleaning(self, run: str) -> Iterator[Path]:
        """The same for who has all to itself, by `cleaned`."""
        parent = self.folder("tmp")
        for lock in parent.glob("*.lock"):
            _remove_if_abandoned(lock)
        with _held(parent / f"{run}.lock", of=parent / run):
            path = self.folder("tmp", run)
            path.chmod(0o700)  # it holds keys of machines, and their disks
            try:
                yield path
            finally:
                _remove_tree(path)

    def running(self) -> tuple[str, ...]:
        """The runs that go on: those that hold the lock of their scratch folder. Sorted."""
        return tuple(sorted(lock.stem for lock in (self.root / "tmp").glob("*.lock") if _is_held(lock)))

    @contextmanager
    def locked(self, *names: str, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Hold locks, one a name, that other runs on this state folder respect; they end with the process.

        Each is a place in one file: thousands cost one descriptor. `waiting` is called before another run is
        waited for. Raises TallyError when that cannot be had.
        """
        path = self.folder("locks") / "places"
        with ExitStack() as until_the_end:
            try:
                stream = until_the_end.enter_context(path.open("a"))
                waits = False
                for place in sorted(map(_place, names)):  # in one order: no two runs wait for each other
                    if not waits and not _takes_place(stream.fileno(), place):
                        waits = True
                        waiting()
                    if waits:
                        _hold_place(stream.fileno(), place)
            except OSError as error:
                raise cannot_write(path, error) from error
            yield


def _place(name: str) -> int:
    """Where a name's lock is in the file: two names that shared a place would wait, and no more."""
    import hashlib  # with OpenSSL's library

    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:7])


def _takes_place(descriptor: int, place: int) -> bool:
    """Hold one byte of an open file, as below; False where another run does."""
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _write_lock(place))
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True


def _hold_place(descriptor: int, place: int) -> None:
    """Wait for one byte of an open file: it is held until the file is closed (fcntl(2), F_OFD_SETLKW)."""
    fcntl.fcntl(descriptor, fcntl.F_OFD_SETLKW, _write_lock(place))


def _write_lock(place: int) -> bytes:
    return struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, place, 1, 0)


@contextmanager
def _shared(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold a lock beside any number of others, and not beside `State.cleaned`."""
    try:
        stream = path.open("a")
    except OSError as error:
        raise cannot_write(path, error) from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(stream, fcntl.LOCK_SH)
        yield


@contextmanager
def _held(path: Path, of: Path) -> Iterator[None]:
    """Hold a lock file of its own, which is removed in the end when the folder that it is of is gone.

    Otherwise it stays for the next run, which removes both: what a dying process still wrote there is found.
    """
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
                if not os.path.lexists(of):
                    path.unlink(missing_ok=True)
            return


def _is_held(lock: Path) -> bool:
    """Whether some process holds a lock file."""
    try:
        with lock.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


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
            folder = lock.with_suffix("")
            _remove_tree(folder)
            if not os.path.lexists(folder):
                lock.unlink(missing_ok=True)
    except OSError:
        return  # still in use, or not ours to remove


def _remove_tree(path: Path) -> None:
    """Remove a folder that may hold what Nix made read-only."""
    import shutil

    make_removable(path)
    shutil.rmtree(path, ignore_errors=True)


def _unusable(root: Path, path: Path, error: OSError) -> TallyError:
    misplaced = isinstance(error, PermissionError | FileExistsError | NotADirectoryError)
    if misplaced or error.errno == errno.ELOOP:
        return TallyError(
            f"the state folder cannot be used: {path}: {error.strerror}",
            hint=f"make {root} a folder that you can write to, or name another in TALLY_STATE",
        )
    return cannot_write(path, error)
