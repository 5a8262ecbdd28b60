"""Programs of Debian's, unpacked into the tests' state folder with their libraries, and not installed.

Nothing of the machine's is changed, no service starts, and the version is the same on every machine.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from indexes import index
from once import one_at_a_time
from waiting import wait_for

from orchestrator.ground.errors import TallyError
from orchestrator.pinning.request import package_output
from orchestrator.recipe.wanted import wanted_from
from orchestrator.sources.folder import Sources
from orchestrator.sources.mirrors import Mirrors

_LOADER = Path("lib64/ld-linux-x86-64.so.2")


@dataclass(frozen=True)
class Program:
    """A program, and how it is started: by its own loader, with its own libraries."""

    folder: Path
    path: str

    @property
    def command(self) -> list[str | Path]:
        libraries = ":".join(f"{self.folder}{each}/x86_64-linux-gnu" for each in ("/lib", "/usr/lib"))
        loader = next(
            each for each in (self.folder / _LOADER, self.folder / "usr" / _LOADER) if each.exists()
        )
        return [loader, "--library-path", libraries, self.folder / self.path]

    def run(self, *arguments: str | Path, home: Path) -> tuple[int, str]:
        """Exit code, and what it said."""
        done = subprocess.run(
            [*self.command, *arguments],
            env={"HOME": str(home), "PATH": "/usr/bin:/bin", "TMPDIR": str(home)},
            cwd=home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr


@one_at_a_time
def unpacked(state: Path, package: str, path: str, suite: str, libraries: Sequence[str] = ()) -> Program:
    """A package's program with libc and these libraries. Raises TallyError when it cannot be had."""
    folder = state / "strangers" / f"{package}-{suite}"
    if not folder.exists():
        found = [index(suite).candidate(name) for name in (package, "libc6", *libraries)]
        sources = Sources(state / "strangers" / "sources", Mirrors())
        draft = folder.with_name(f"{folder.name}.{os.getpid()}")
        for each in found:
            deb = sources.fetch(wanted_from(package_output(each)))
            subprocess.run(["dpkg-deb", "--extract", deb, draft], check=True, capture_output=True)
        try:
            draft.rename(folder)
        except OSError as error:
            raise TallyError(f"cannot put {package} at {folder}: {error}") from error
    return Program(folder, path)


def docker_registry(state: Path) -> Program:
    """docker-registry 2.8, which has no referrers endpoint."""
    return unpacked(state, "docker-registry", "usr/bin/docker-registry", "bookworm")


def oras(state: Path) -> Program:
    return unpacked(state, "oras", "usr/bin/oras", "sid")


def crane(state: Path) -> Program:
    return unpacked(state, "crane", "usr/bin/crane", "sid")


def nginx(state: Path) -> Program:
    libraries = ("libcrypt1", "libpcre2-8-0", "libssl3", "zlib1g")
    return unpacked(state, "nginx", "usr/sbin/nginx", "bookworm", libraries)


@contextmanager
def registry(program: Program, folder: Path) -> Iterator[str]:
    """A docker-registry on loopback with an empty store: `HOST:PORT`."""
    folder.mkdir(parents=True)
    port = free_port()
    (folder / "config.yml").write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {folder}/data}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n"
    )
    with started([*program.command, "serve", folder / "config.yml"], folder, port):
        yield f"127.0.0.1:{port}"


@contextmanager
def served(program: Program, www: Path, folder: Path, settings: str = "") -> Iterator[str]:
    """nginx on loopback with the folder `www` at `/releases/`: the address of that.

    `settings` are further ones of its, for that folder.
    """
    folder.mkdir(parents=True)
    port = free_port()
    places = " ".join(
        f"{each}_temp_path {folder}/{each};" for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log stderr error;\n"
        f"events {{}}\nhttp {{ access_log off; {places}\n"
        f"  server {{ listen 127.0.0.1:{port}; location /releases/ {{ alias {www}/; {settings} }} }}\n}}\n"
    )
    with started([*program.command, "-p", folder, "-c", folder / "nginx.conf"], folder, port):
        yield f"http://127.0.0.1:{port}/releases/"


@contextmanager
def started(command: Sequence[str | Path], folder: Path, port: int) -> Iterator[None]:
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
    try:
        wait_for(lambda: process.poll() is not None or _answers(port), "it does not listen")
        assert process.poll() is None, (folder / "said").read_text()
        yield
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        time.sleep(0.05)
        return False
