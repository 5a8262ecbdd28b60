"""Running Nix: found, in the supported range, with settings of our own and nobody else's."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from orchestrator.ground.errors import TallyError
from orchestrator.ground.plainly import why
from orchestrator.ground.values import dataclass, field
from orchestrator.nix import child
from orchestrator.nix.events import plain

OLDEST = (2, 8)
NEWEST_TRIED = (2, 34)

_SETTINGS = """\
build-users-group =
sandbox = true
sandbox-fallback = false
sandbox-paths =
substitute = false
substituters =
builders =
fallback = false
keep-build-log = true
warn-dirty = false
allow-import-from-derivation = false
experimental-features = nix-command flakes
"""
"""What a hermetic build needs of Nix. `substitute = false` also spares the seconds in which every command
would look for a binary cache."""

_PASSED_ON = (
    *("PATH", "HOME", "USER", "LOGNAME", "SSH_AUTH_SOCK", "NIX_SSHOPTS", "TERM"),
    *("SSL_CERT_FILE", "NIX_SSL_CERT_FILE", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
)
_BEGUN_BY_ANOTHER = re.compile(
    r"creating symlink .*/gcroots/profiles.* File exists|/db/schema' is corrupt|/db/db\.sqlite' is busy"
)
"""What Nix says where two processes open a new store at once, without a lock: it has done nothing yet."""
_BEGINNING = 0.2  # seconds that another one needs for a new store
_CHUNK = 1 << 20
_LONGEST_LINE = 2000  # characters of what Nix says: a path in a store's database may have any length
_FULL = 4 << 20  # bytes free: less than Nix needs for its database's journals
_LACKING = (
    "sandbox",
    "namespace",
    "unshare",
    "cloning",
    "clone(",
    "operation not permitted",
    "seccomp",
    "mount",
)
"""What Nix speaks of where the machine lacks something for a build."""
_ENDING_GRACE = 10.0  # seconds that Nix gets to end its builds before it is killed


class NixFailed(TallyError):
    """A Nix command ended with an error. `status` is its exit status, `said` all that it said."""

    def __init__(self, message: str, *, status: int, hint: str | None = None, said: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status, self.said = status, said


@dataclass(frozen=True)
class Nix:
    """An installed Nix. Make one with `find`."""

    version: str
    scratch: Path
    """Where Nix may leave temporary files, its builds' folders among them."""
    extra: Mapping[str, str] = field(default_factory=dict)
    """Environment variables for commands on one builder's store, e.g. how ssh reaches it."""
    folder: Path | None = None
    """The folder that commands are run in; None: ours."""
    _running: set[subprocess.Popen[bytes]] = field(default_factory=set, compare=False, repr=False)
    _stopping: threading.Event = field(default_factory=threading.Event, compare=False, repr=False)
    _guard: threading.Lock = field(default_factory=threading.Lock, compare=False, repr=False)

    @classmethod
    def find(cls, scratch: Path) -> Nix:
        """The Nix on PATH. Raises TallyError when there is none, it is too old, or it does not answer."""
        return cls(installed_version(), scratch)

    @classmethod
    def unasked(cls, scratch: Path) -> Nix:
        """The same for what mostly needs none, so that its version is not asked: 25 ms."""
        return cls("", scratch)

    def run(self, command: Sequence[str], *, stdin: IO[bytes] | None = None) -> str:
        """Run a command to its end and give its standard output. Raises NixFailed with what it said."""
        try:
            return self._run(command, stdin)
        except NixFailed as error:
            if stdin is not None or not _BEGUN_BY_ANOTHER.search(error.said):
                raise
        time.sleep(_BEGINNING)
        return self._run(command, None)

    def _run(self, command: Sequence[str], stdin: IO[bytes] | None) -> str:
        with self.started(command, stdin=subprocess.DEVNULL if stdin is None else stdin.fileno()) as process:
            out, err = process.communicate()
        if process.returncode != 0:
            raise failed(command, process.returncode, err.decode(errors="replace"), folder=self.scratch)
        return out.decode(errors="replace")

    def stream(self, command: Sequence[str], take: Callable[[bytes], object]) -> None:
        """Run a command to its end and hand on its standard output as it comes. Raises NixFailed."""
        said: list[bytes] = []
        with self.started(command) as process:
            out, err = process.stdout, process.stderr
            assert out is not None
            assert err is not None
            listening = threading.Thread(target=lambda: said.append(err.read()), daemon=True)
            listening.start()
            while chunk := out.read(_CHUNK):
                take(chunk)
            listening.join()
            status = process.wait()
        if status != 0:
            raise failed(command, status, b"".join(said).decode(errors="replace"), folder=self.scratch)

    def follow(
        self, command: Sequence[str], on_line: Callable[[str], None], silence: float | None = None
    ) -> int:
        """Run a command, hand each line of its standard error to `on_line`, and give its exit status.

        Lines are handed on in the calling thread. Standard output is drained and dropped. After `silence`
        seconds without a line the command is ended. Raises NixFailed then.
        """
        with self.started(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
            assert process.stderr is not None
            with _patience(process, silence) as patience:
                for line in process.stderr:
                    patience.renew()
                    on_line(line.decode(errors="replace").rstrip("\n"))
                status = process.wait()
        if patience.lost:
            raise NixFailed(
                f"{command[0]} said nothing for {silence:.0f} s and was ended",
                status=status,
                hint="see whether the builder's host hangs, or raise `max-silent` in tally.toml",
            )
        return status

    @contextmanager
    def started(
        self, command: Sequence[str], *, stdin: int = subprocess.DEVNULL, stdout: int = subprocess.PIPE
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A running command that ends when the block does, however the block ends, and when we die."""
        if self._stopping.is_set():
            raise TallyError("interrupted")
        try:
            process = child.started(
                command,
                stdin=stdin,
                stdout=stdout,
                stderr=subprocess.PIPE,
                cwd=self.folder,
                env=self._environment(),
                start_new_session=True,
            )
        except OSError as error:
            raise TallyError(f"cannot run {command[0]}: {error.strerror}", hint=_INSTALL) from error
        with self._guard:
            self._running.add(process)
        if self._stopping.is_set():  # since we looked: stop_all may not have seen this one
            _end_soon([process])
        try:
            yield process
        finally:
            with self._guard:
                self._running.discard(process)
            _end(process)

    def stop_all(self) -> None:
        """End every command that other threads of ours have running, and let no more start."""
        self._stopping.set()
        self.end_running()

    def end_running(self) -> None:
        """End every command that other threads of ours have running."""
        with self._guard:
            running = list(self._running)
        _end_soon(running)

    def _environment(self) -> Mapping[str, str]:
        configuration = self.scratch / "nix-configuration"
        configuration.mkdir(parents=True, exist_ok=True)
        return _passed_on() | {
            "LC_ALL": "C",
            "NIX_CONF_DIR": str(configuration),
            "NIX_USER_CONF_FILES": "/dev/null",
            "NIX_CONFIG": _SETTINGS,
            "XDG_CACHE_HOME": str(self.scratch / "cache"),
            "TMPDIR": str(self.scratch),
            **self.extra,
        }


_INSTALL = "install Nix: `apt-get install nix-bin` on Debian and Ubuntu, or see https://nixos.org/download"


def _passed_on() -> dict[str, str]:
    """What of our environment is for Nix to know."""
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    # Nix refuses to start for a user without a name, as in a container with a user id of its own
    kept.setdefault("USER", f"uid-{os.geteuid()}")
    return kept


def installed_version() -> str:
    """The version of the Nix on PATH, like `2.8.0`. Raises TallyError when it cannot be used."""
    executable = shutil.which("nix-store")
    if executable is None:
        raise TallyError("Nix is not installed: no `nix-store` on PATH", hint=_INSTALL)
    try:
        said = subprocess.run(
            # even for its version, nix-store opens a store, and the default one may not be ours to open
            [executable, "--store", "dummy://", "--version"],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env=_passed_on() | {"NIX_CONF_DIR": "/dev/null", "NIX_USER_CONF_FILES": "/dev/null"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TallyError(f"Nix does not answer: {executable}: {why(error)}", hint=_INSTALL) from error
    found = re.search(r"\(Nix[^)]*\) (\d+(?:\.\d+)*\S*)", said.stdout)
    if said.returncode != 0 or found is None:
        output = (said.stderr or said.stdout).strip() or "it said nothing"
        raise TallyError(f"Nix does not answer: {executable} --version: {output}", hint=_INSTALL)
    version = found.group(1)
    if version_tuple(version) < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        raise TallyError(
            f"Nix {version} is too old: {wanted} or later is needed ({executable})", hint=_INSTALL
        )
    return version


def version_tuple(version: str) -> tuple[int, int]:
    """Major and minor number of a version such as `2.34.8` or `2.9pre1`."""
    numbers = [int(digits) for digits in re.findall(r"\d+", version)[:2]]
    return (numbers[0], numbers[1] if len(numbers) > 1 else 0)


def failed(command: Sequence[str], status: int, said: str, *, folder: Path | None = None) -> NixFailed:
    """The error for a command that ended badly, with the end of what it said. `folder` is on its disk."""
    text = plain(said).strip()
    lowered = text.lower()
    hint = None
    if "no space left on device" in lowered or "database or disk is full" in lowered or _is_full(folder):
        hint = "free some space on the disk and run the command again"
    elif "unable to download" in lowered or "couldn't connect" in lowered or "could not resolve" in lowered:
        hint = "see whether the address that it names is right, and answers"
    elif "permission denied" in lowered:
        hint = "check the owner of the state folder, or name another in TALLY_STATE"
    elif any(each in lowered for each in _LACKING):
        hint = "run `tally doctor` to see what Nix lacks on this machine"
    lines = [line for line in text.splitlines() if not line.startswith("warning: found empty hash")]
    name = " ".join(command[:2]) if command[0] == "nix" else Path(command[0]).name
    shown = (line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}…" for line in lines[-15:])
    message = f"{name} failed (status {status}):\n" + "\n".join(shown)
    return NixFailed(message, status=status, hint=hint, said=text)


def _is_full(folder: Path | None) -> bool:
    """Whether a disk is full in fact: SQLite then also speaks of I/O errors and of read-only databases."""
    try:
        return folder is not None and shutil.disk_usage(folder).free < _FULL
    except OSError:
        return False


class _Patience:
    """Ends a process that gives no sign of life for too long."""

    def __init__(self, process: subprocess.Popen[bytes], seconds: float | None) -> None:
        self.lost = False
        self._process, self._seconds = process, seconds
        self._over = threading.Event()
        self._last = time.monotonic()

    def renew(self) -> None:
        self._last = time.monotonic()

    def watch(self) -> None:
        assert self._seconds is not None
        while (left := self._last + self._seconds - time.monotonic()) > 0:
            if self._over.wait(left):
                return
        self.lost = True
        _end(self._process)

    def end(self) -> None:
        self._over.set()


@contextmanager
def _patience(process: subprocess.Popen[bytes], seconds: float | None) -> Iterator[_Patience]:
    patience = _Patience(process, seconds)
    if seconds is not None:
        threading.Thread(target=patience.watch, daemon=True).start()
    try:
        yield patience
    finally:
        patience.end()


def _end_soon(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Ask them to end, and see to it that they do: one that waits for a host may wait for ever."""
    for process in processes:
        if process.poll() is None:
            process.terminate()
    if processes:
        threading.Thread(target=_kill_later, args=(processes,), daemon=True).start()


def _kill_later(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Kill what its grace was not enough for; whoever waits for it goes on then."""
    until = time.monotonic() + _ENDING_GRACE
    for process in processes:
        while process.poll() is None:
            if time.monotonic() > until:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                break
            time.sleep(0.1)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        drained = [
            threading.Thread(target=stream.read, daemon=True)
            for stream in (process.stdout, process.stderr)
            if stream
        ]
        for thread in drained:
            thread.start()
        try:
            process.wait(_ENDING_GRACE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for thread in drained:
            thread.join(_ENDING_GRACE)
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()
