"""Snapshots of Debian's archive on loopback: of one time, and with what the mirrors have now."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from orchestrator.sources.mirrors import Mirrors


@dataclass
class Snapshots:
    """A server of one snapshot. What it has is where the mirrors have it."""

    time: str
    address: str = ""
    asked: list[str] = field(default_factory=list)


@contextmanager
def snapshots(time: str) -> Iterator[Snapshots]:
    """Snapshots that answer as long as the block lasts."""
    mirrors = Mirrors()
    bases = {name: mirrors.bases(name)[0] for name in ("debian", "debian-security")}
    found = Snapshots(time)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = re.fullmatch(rf"/archive/(debian|debian-security)/{time}/(.*)", self.path)
            found.asked.append(self.path)
            self.send_response(404 if asked is None else 302)
            if asked is not None:
                self.send_header("Location", bases[asked[1]] + asked[2])
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    found.address = f"http://127.0.0.1:{server.server_port}/archive/"
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
