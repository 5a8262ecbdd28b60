"""A real Rekor v2: Debian's own source packages, built by Debian's Go, and run on loopback.

The packages are many (390 MB, 3 GB unpacked), so that of all of it only the program is kept, 32 MB.
"""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from debian_go import GoProgram, built
from rekors import Rekor2

from orchestrator.log.trusted_root import LogInstance

_PROGRAM = GoProgram(
    name="rekor-server",
    packages=("golang-go", "golang-github-sigstore-rekor-tiles-dev"),
    is_needed=lambda name: name.startswith("golang-"),
    folder="github.com/sigstore/rekor-tiles/cmd/rekor-server/posix",
)


def rekor_server(state: Path) -> Path:
    """The server's program, kept in `state`; made once a machine, which takes two minutes."""
    return built(state, _PROGRAM)


@dataclass
class RealRekor:
    """A log in a folder, and a process that adds to it. It serves no reads: read its folder."""

    program: Path
    folder: Path
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    host: str = "127.0.0.1"
    process: subprocess.Popen[bytes] | None = None
    port: int = 0

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        pem = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self.folder / "signer.pem").write_bytes(pem)
        self.port = _free_port()

    @classmethod
    @contextmanager
    def running(cls, program: Path, folder: Path) -> Iterator[RealRekor]:
        found = cls(program, folder)
        try:
            found.start()
            yield found
        finally:
            found.stop()

    @property
    def address(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def storage(self) -> Path:
        return self.folder / "log"

    @property
    def rekor(self) -> Rekor2:
        """What verifiers know of it."""
        return Rekor2(host=self.host, key=self.key)

    @property
    def log(self) -> LogInstance:
        return self.rekor.log

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        settings = {
            "hostname": self.host,
            "http-address": "127.0.0.1",
            "http-port": self.port,
            "http-metrics-port": _free_port(),
            "grpc-address": "127.0.0.1",
            "grpc-port": _free_port(),
            "storage-dir": self.storage,
            "signer-filepath": self.folder / "signer.pem",
            "checkpoint-interval": "200ms",
            "log-level": "warn",
        }
        command = [str(self.program), "serve", *(f"--{name}={value}" for name, value in settings.items())]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--persistent-antispam"], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        for _ in range(300):
            assert self.process.poll() is None, (self.folder / "server.log").read_text()
            with socket.socket() as probe:
                if probe.connect_ex((self.host, self.port)) == 0:
                    return
            time.sleep(0.1)
        raise AssertionError("it does not listen after half a minute")

    def stop(self, *, kill: bool = False) -> None:
        """End it: by a signal that it hears, or as a machine without power does."""
        if self.process is None:
            return
        if kill:
            self.process.kill()
        else:
            self.process.terminate()
        self.process.wait(60)
        self.process = None


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
