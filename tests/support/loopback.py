"""Small HTTP servers on loopback, each on a port of its own, ended with the block that began them."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Asked:
    """One request to a server."""

    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Answer:
    """What a server says to it."""

    body: bytes
    status: int = 200
    kind: str = "application/json"
    location: str | None = None
    retry_after: str | None = None

    @classmethod
    def of(cls, document: object, status: int = 200) -> Answer:
        return cls(json.dumps(document).encode(), status)


Route = Callable[[Asked], Answer]


@dataclass
class Server:
    """A loopback server of some routes, on a port of its own. `faults` take a route's place."""

    routes: dict[str, Route]
    faults: dict[str, Route] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    address: str = ""
    host: str = "127.0.0.1"

    @contextmanager
    def running(self) -> Iterator[Server]:
        server = ThreadingHTTPServer((self.host, 0), self._handler())
        server.daemon_threads = True
        self.address = f"http://{self.host}:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        of = self

        class Handler(BaseHTTPRequestHandler):
            def __getattr__(self, name: str) -> Any:
                if name in ("do_GET", "do_POST"):
                    return self.answer
                raise AttributeError(name)

            def answer(self) -> None:
                parts = urlsplit(self.path)
                of.asked.append(parts.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                asked = Asked(parts.path, parse_qs(parts.query), dict(self.headers), body)
                route = of.faults.get(parts.path) or of.routes.get(parts.path)
                answer = route(asked) if route else Answer.of({"message": "nothing here"}, 404)
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.kind)
                if answer.location:
                    self.send_header("Location", answer.location)
                if answer.retry_after:
                    self.send_header("Retry-After", answer.retry_after)
                self.send_header("Content-Length", str(len(answer.body)))
                try:
                    self.end_headers()
                    self.wfile.write(answer.body)
                except ConnectionError:  # whoever asked did not wait
                    pass

            def log_message(self, *args: object) -> None: ...

        return Handler


def hanging(seconds: float) -> Route:
    """A route that answers late."""

    def route(asked: Asked) -> Answer:
        time.sleep(seconds)
        return Answer.of({})

    return route


def saying(body: bytes, status: int = 200) -> Route:
    """A route that always says the same."""
    return lambda asked: Answer(body, status)


@contextmanager
def dripping(beginning: bytes) -> Iterator[str]:
    """The address of a server that begins an answer and then says one byte after the other, for ever."""
    ended = threading.Event()

    def drip(connection: socket.socket) -> None:
        try:
            with connection:
                connection.recv(1 << 16)
                connection.sendall(beginning)
                while not ended.wait(0.05):
                    connection.sendall(b"a")
        except OSError:  # whoever asked did not wait
            pass

    def serve(server: socket.socket) -> None:
        while not ended.is_set():
            try:
                connection, _ = server.accept()
            except TimeoutError:
                continue
            threading.Thread(target=drip, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        serving = threading.Thread(target=serve, args=(server,), daemon=True)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            ended.set()
            serving.join()


IN_ITS_HEADERS = b"HTTP/1.1 200 OK\r\nX: "
IN_ITS_BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
"""Where an answer begins to drip."""
