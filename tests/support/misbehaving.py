"""A proxy on loopback before a server of S3's: it passes on what it gets, unless it is told to misbehave."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_OWN = ("connection", "transfer-encoding", "content-length", "date", "server", "expect", "keep-alive")


@dataclass(frozen=True)
class Wrong:
    """What becomes of a request."""

    status: int | None = None
    """Answered here with this; None: by the server."""
    code: str = "InternalError"
    asking: Mapping[str, str] = field(default_factory=dict)
    """Headers that the server gets, too."""
    without: tuple[str, ...] = ()
    """Headers of its answer that nobody gets."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Of an answer that is given here."""
    cut: bool = False
    """The connection ends in the middle of the answer."""


@contextmanager
def proxy(behind: str, rule: Callable[[str, str], Wrong | None]) -> Iterator[str]:
    """Its address. `rule` gets a request's method and path, with the query."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            wrong = rule(self.command, self.path) or Wrong()
            if wrong.status is not None:
                said = f"<Error><Code>{wrong.code}</Code><Message>so it is</Message></Error>"
                self._answer(
                    wrong.status, {"Content-Type": "application/xml", **wrong.headers}, said.encode(), wrong
                )
                return
            server = http.client.HTTPConnection(urlsplit(behind).netloc, timeout=60)
            sent = {name: value for name, value in self.headers.items() if name.lower() not in _OWN}
            server.request(self.command, self.path, body, {**sent, **wrong.asking})
            answer = server.getresponse()
            data = answer.read()
            headers = {name: value for name, value in answer.getheaders() if name.lower() not in _OWN}
            if self.command == "HEAD":
                headers["Content-Length"] = answer.getheader("Content-Length") or "0"
            self._answer(answer.status, headers, data, wrong)
            server.close()

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _any  # noqa: N815  the names are http.server's

        def _answer(self, status: int, headers: Mapping[str, str], data: bytes, wrong: Wrong) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if not name.lower().startswith(wrong.without or ("none of them",)):
                    self.send_header(name, value)
            if self.command != "HEAD":
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data[: len(data) // 2] if wrong.cut else data)
            if wrong.cut:
                self.wfile.flush()
                self.close_connection = True

        def log_message(self, *args: object) -> None:
            """Nothing: tests are quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
