"""Runs of `tally` that begin warm: a process that has imported everything, and a fork of it for each run.

A run is as real as one that a shell starts: a process of its own with its own arguments, folder, environment,
descriptors, signals and exit code. It does not pay for an interpreter's start and the imports, most of what a
short run costs. Where these are the point (what is imported, the locale, variables of Python's own), tests
start `python -m orchestrator.cli` themselves.
"""

from __future__ import annotations

import atexit
import ctypes
import faulthandler
import fcntl
import gc
import importlib
import io
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any, ClassVar

import large_pages
from figures import Peak
from work import Counter

MODULES = (
    "cel_expr_python.cel",
    "cryptography.hazmat.backends.openssl.backend",
    "cryptography.hazmat.primitives.asymmetric.ec",
    "cryptography.x509",
    "encodings.utf_8_sig",
    "in_toto.models.metadata",
    "in_toto.verifylib",
    "license_expression",
    "packageurl",
    "pybase64",
    "pydantic",
    "resource",
    "securesystemslib.signer",
    "sigstore.verify.verifier",
    "spdx_python_model.bindings.v3_0_1",
    "spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser",
    "spdx_tools.spdx.validation.document_validator",
    "sqlite3",
    "traceback",
    "typer._click.decorators",
    "urllib3",
    "zstandard",
)
"""Of others', what any command loads late, with what it imports. None looks at the environment by then."""


def ours() -> Iterator[str]:
    """Every module of ours but the one that runs."""
    package = importlib.import_module("orchestrator")
    for module in pkgutil.walk_packages(package.__path__, "orchestrator."):
        if not module.name.endswith(".__main__"):
            yield module.name


_PROGRAM = """\
#!{python} -IS
import json, os, socket, sys
asked = dict(words=sys.argv[1:], folder=os.getcwd(), environment=dict(os.environ), noted=None, mounts=None)
message = json.dumps(asked).encode()
with socket.socket(socket.AF_UNIX) as answers:
    answers.connect({place!r})
    socket.send_fds(answers, [len(message).to_bytes(4)], [0, 1, 2])
    answers.sendall(message)
    pid, *code = answers.makefile("r").read().split()
if pid == "cold":
    os.execv({cold!r}, ["tally", *sys.argv[1:]])
if int(code[0]) < 0:
    os.kill(os.getpid(), -int(code[0]))
sys.exit(int(code[0]))
"""

_READ_AT_START = ("_TALLY_COMPLETE", "LANG", "LC_", "LD_", "MALLOC_", "PYTHON", "GLIBC_")
"""Variables that a process reads once, at its start, or that want the installed program."""


@dataclass(frozen=True)
class Ended:
    """How a run ended; `code` is -N where signal N ended it, as `subprocess` has it."""

    code: int
    out: str
    err: str


class Running:
    """A run that has begun, as `subprocess.Popen` has it."""

    def __init__(self, words: list[str], answers: socket.socket, out: FileIO, err: FileIO) -> None:
        self._words, self._answers, self._out, self._err = words, answers, out, err
        self._heard = b""
        self.returncode: int | None = None
        pid = self._line()
        assert pid, "the warm process has ended"
        self.pid = pid

    def poll(self) -> int | None:
        """How it ended, if it has; -N where signal N ended it."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            try:
                self.returncode = self._line(timeout)
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(self._words, timeout or 0) from None
            self._answers.close()
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for its end: what it wrote to standard output and error. Raises subprocess.TimeoutExpired."""
        self.wait(timeout)
        with self._out, self._err:
            return _all_of(self._out), self.said()

    def said(self) -> str:
        """What it wrote to standard error until now."""
        return _all_of(self._err)

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _line(self, timeout: float | None = None) -> int:
        """The next number that the server says of it; 0 where that is gone."""
        self._answers.settimeout(timeout)
        while b"\n" not in self._heard:
            some = self._answers.recv(64)
            if not some:
                return 0
            self._heard += some
        line, _, self._heard = self._heard.partition(b"\n")
        return int(line)


class Warm:
    """The process that the runs of one test process are forked from. Ends with it, and its runs with it.

    It is of the tests' own interpreter and surroundings, or of others.
    """

    _every: ClassVar[list[Warm]] = []

    def __init__(
        self, interpreter: Path | None = None, surroundings: Mapping[str, str] | None = None
    ) -> None:
        self._interpreter = interpreter or Path(sys.executable)
        self._surroundings = os.environ if surroundings is None else surroundings
        self._every.append(self)
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    def run(
        self,
        words: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        stdin: str | None,
        timeout: float,
        noted: Path | None = None,
        mounts: int | None = None,
        code: str | None = None,
    ) -> Ended | None:
        """Run `tally` with these words; None where only a process of its own can have that environment.

        What it took is written to `noted`: `{"steps": LINES OF PYTHON, "memory": KIB MORE AT MOST}`; counting
        takes time. It sees the mounts of the process `mounts`. With `code`, that runs in place of `tally`.
        Raises subprocess.TimeoutExpired.
        """
        running = self.start(words, folder, environment, stdin, noted, mounts, code)
        if running is None:
            return None
        try:
            out, err = running.communicate(timeout)
        except subprocess.TimeoutExpired:
            running.kill()
            raise
        return Ended(running.wait(), out, err)

    def start(
        self,
        words: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        stdin: str | None = None,
        noted: Path | None = None,
        mounts: int | None = None,
        code: str | None = None,
    ) -> Running | None:
        """Like `run`, without waiting for its end."""
        if _of_the_start(environment) != _of_the_start(self._surroundings):
            return None
        request: dict[str, Any] = {"words": [*words], "folder": str(folder), "environment": dict(environment)}
        request |= {"noted": str(noted) if noted else None, "mounts": mounts, "code": code}
        out, err = _heard("out"), _heard("err")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with _written(stdin) as given, theirs:
            self._ask(request, [given.fileno(), out.fileno(), err.fileno(), theirs.fileno()])
        return Running(["tally", *words], ours, out, err)

    @contextmanager
    def program(self, folder: Path) -> Iterator[Path]:
        """A program `tally` in a folder, for scripts: what it runs begins warm, on its own streams."""
        program, place = folder / "tally", folder / "asking"
        cold = str(Path(sys.executable).with_name("tally"))
        program.write_text(_PROGRAM.format(python=sys.executable, place=str(place), cold=cold))
        program.chmod(0o755)
        with socket.create_server(str(place), family=socket.AF_UNIX) as listening:
            threading.Thread(target=self._answer, args=(listening,), daemon=True).start()
            try:
                yield program
            finally:
                listening.shutdown(socket.SHUT_RDWR)

    def _answer(self, listening: socket.socket) -> None:
        while True:
            try:
                asking, _ = listening.accept()
            except OSError:
                return
            with asking:
                size, streams, _, _ = socket.recv_fds(asking, 4, 3)
                request = json.loads(_received(asking, int.from_bytes(size)))
                if _of_the_start(request["environment"]) == _of_the_start(self._surroundings):
                    self._ask(request, [*streams, asking.fileno()])
                else:
                    asking.sendall(b"cold\n")
                for descriptor in streams:
                    os.close(descriptor)

    def _ask(self, request: dict[str, Any], descriptors: list[int]) -> None:
        message = json.dumps(request).encode()
        with self._lock:
            server = self._server()
            socket.send_fds(server, [len(message).to_bytes(4)], descriptors)
            server.sendall(message)

    def _server(self) -> socket.socket:
        if self._socket is None:
            self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            with theirs:
                self._process = subprocess.Popen(
                    [str(self._interpreter), str(Path(__file__)), str(theirs.fileno())],
                    env=self._surroundings,
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                )
        return self._socket

    @classmethod
    def pids(cls) -> list[int]:
        """Of the processes that runs of this test process are forked from."""
        return [each._process.pid for each in cls._every if each._process is not None]

    def close(self) -> None:
        if self._socket is not None and self._process is not None:
            self._socket.close()
            self._process.wait()


WARM = Warm()
"""This test process's own."""


def _heard(name: str) -> FileIO:
    """What a run writes to; like a pipe, it is no terminal, and what is written comes after what was."""
    descriptor = os.memfd_create(name)
    fcntl.fcntl(descriptor, fcntl.F_SETFL, os.O_RDWR | os.O_APPEND)
    return os.fdopen(descriptor, "r+b", buffering=0)


def _written(text: str | None) -> FileIO:
    if text is None:
        return os.fdopen(os.open(os.devnull, os.O_RDONLY), "rb", buffering=0)
    given = os.fdopen(os.memfd_create("stdin"), "r+b", buffering=0)
    given.write(text.encode())
    given.seek(0)
    return given


def _all_of(heard: FileIO) -> str:
    """Read at places, since who writes shares the descriptor's own place."""
    size = os.fstat(heard.fileno()).st_size
    data = os.pread(heard.fileno(), size, 0)
    return io.TextIOWrapper(io.BytesIO(data), encoding="utf-8").read()


def _received(asking: socket.socket, size: int) -> bytes:
    message = b""
    while len(message) < size:
        message += asking.recv(size - len(message))
    return message


def _of_the_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_READ_AT_START)}


class _Server:
    """Forks a run for each request, and says how it ended."""

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._running: dict[int, socket.socket] = {}
        self._woken, self._wakes = os.pipe()
        for end in (self._woken, self._wakes):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # wakes us up; without a handler it is not delivered
        signal.set_wakeup_fd(self._wakes, warn_on_full_buffer=False)

    def serve(self) -> str | None:
        """Returns in the runs alone, what to run in place of `tally`.

        Ends, and the runs with it, when nobody is there to ask any more.
        """
        server = os.getpid()
        while True:
            ready, _, _ = select.select([self._requests.fileno(), self._woken], [], [])
            if self._woken in ready:
                os.read(self._woken, 4096)
                self._tell()
            if self._requests.fileno() not in ready:
                continue
            head, descriptors, _, _ = socket.recv_fds(self._requests, 4, 4)
            if not head:
                self._end()
            request = json.loads(_received(self._requests, int.from_bytes(head)))
            *streams, answer = descriptors
            pid = os.fork()
            if pid == 0:
                self._leave(answer)
                _become(request, streams, server)
                code: str | None = request.get("code")
                return code
            for descriptor in streams:
                os.close(descriptor)
            self._running[pid] = socket.socket(fileno=answer)
            self._running[pid].sendall(f"{pid}\n".encode())

    def _tell(self) -> None:
        for pid in list(self._running):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                with self._running.pop(pid) as answer:
                    try:
                        answer.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
                    except OSError:
                        continue  # nobody waits for it any more

    def _leave(self, answer: int) -> None:
        """A run has nothing of what the server has."""
        signal.set_wakeup_fd(-1)
        for descriptor in (self._woken, self._wakes, answer):
            os.close(descriptor)
        self._requests.close()
        for other in self._running.values():
            other.close()

    def _end(self) -> None:
        for pid in self._running:
            os.kill(pid, signal.SIGKILL)
        for pid in self._running:
            os.waitpid(pid, 0)
        os._exit(0)


def _become(request: dict[str, Any], streams: list[int], server: int) -> None:
    """Make this fork what `python -m orchestrator.cli` in that folder would be."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: it ends with the server
    if os.getppid() != server:
        os._exit(1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for place, descriptor in enumerate(streams):
        os.dup2(descriptor, place)
        os.close(descriptor)
    if request["mounts"]:
        _enter(request["mounts"])
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    tempfile.tempdir = None
    encoding, errors = sys.stdout.encoding, sys.stdout.errors
    sys.stdin = sys.__stdin__ = open(0, encoding=encoding, errors=errors)  # type: ignore[misc]  # noqa: SIM115
    sys.stdout = sys.__stdout__ = open(1, "w", encoding=encoding, errors=errors)  # type: ignore[misc]  # noqa: SIM115
    sys.stderr = sys.__stderr__ = open(2, "w", 1, encoding, "backslashreplace")  # type: ignore[misc]  # noqa: SIM115
    faulthandler.enable()  # a signal that ends one that hangs says where
    sys.path[0] = request["folder"]
    sys.argv = ["tally", *request["words"]]
    if request["noted"]:
        _note(request["noted"])


def _enter(pid: int) -> None:
    """Into the mount namespace of that process (setns(2)); Python has no call for it before 3.12."""
    descriptor = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, 0):
        raise OSError(ctypes.get_errno(), f"cannot enter the mounts of {pid}")
    os.close(descriptor)


def _note(file: str) -> None:
    """Count from here on, and write the figures when it ends."""
    counter, peak = Counter(), Peak()

    def write() -> None:
        sys.settrace(None)
        Path(file).write_text(json.dumps({"steps": counter.steps, "memory": peak.grown}))

    atexit.register(write)
    sys.settrace(counter.called)


def _end(code: object) -> None:
    """Python's own end, without taking apart all that the warm process had imported: that costs 50 ms."""
    assert isinstance(code, int), code
    threading._shutdown()  # type: ignore[attr-defined]  # waits for the threads
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


if __name__ == "__main__":
    _listening = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for pytest, and it ends us
    for _name in (*MODULES, *ours()):
        importlib.import_module(_name)
    _clients = importlib.import_module("orchestrator.clients.clients")
    _clients.spdx.validate(_clients._WARM, "what a run tries it with")  # the first document costs most
    importlib.import_module("orchestrator.recipe.licences").check_license("MIT")  # which reads the list
    _on_demand = importlib.import_module("orchestrator.cli.on_demand")
    for _name in _on_demand.COMMANDS:
        _on_demand.command(_name)  # with its options, which take a third of a short run
    gc.collect()
    gc.freeze()
    large_pages.settle()
    _code = _Server(_listening).serve()
    try:
        if _code is not None:
            exec(compile(_code, "<string>", "exec"), {"__name__": "__main__"})
            _end(0)
        runpy.run_module("orchestrator.cli", run_name="__main__", alter_sys=True)
    except SystemExit as _ended:
        _end(_ended.code)
