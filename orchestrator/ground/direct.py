"""One request to a server with no proxy in between, over connections that the threads of a run share.

It is Python's own client: urllib3 takes four times as long to import, and is there for proxies and retries.
"""

from __future__ import annotations

import select
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPResponse, HTTPSConnection
from threading import Lock as Mutex
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

from orchestrator.ground.answers import CHUNK, CONNECT_TIMEOUT, DRAINED, READ_TIMEOUT
from orchestrator.ground.filebody import FileBody
from orchestrator.ground.inward import Guard
from orchestrator.ground.unreachable import Unreachable, sentence

if TYPE_CHECKING:
    import ssl

_AS_IT_IS: Final = "!#$%&'()*+,/:;=?@[]~"
"""What stays in an address; all else is escaped, as what a server points to can hold anything."""


class Headers(Mapping[str, str]):
    """What an answer is headed with, by names in any case; what is said several times is joined by commas."""

    def __init__(self, message: HTTPMessage) -> None:
        self._values: dict[str, str] = {}
        for name, value in message.items():
            known = self._values.get(name.lower())
            self._values[name.lower()] = value if known is None else f"{known}, {value}"

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class Reply:
    """An answer whose body is still to come."""

    def __init__(self, response: HTTPResponse) -> None:
        self._response = response
        self.status, self.headers = response.status, Headers(response.headers)
        empty = response.length == 0  # also of HEAD, and of what never has a body
        self._left = response.length
        """Bytes; None: until its end is said, or the connection's."""
        self.whole = empty
        """Whether all of it was read."""

    def chunks(self) -> Iterator[bytes]:
        """The body as it comes. Raises Unreachable."""
        try:
            while not self.whole:
                # `length` is counted here: what Python 3.11 reads as it comes it does not count
                chunk = self._response.read1(CHUNK if self._left is None else min(CHUNK, self._left))
                if self._left is None:
                    self.whole = not chunk
                elif not chunk:
                    raise Unreachable(f"the connection broke: {self._left} bytes are missing")
                else:
                    self._left -= len(chunk)
                    self.whole = self._left == 0
                if chunk:
                    yield chunk
        except (HTTPException, OSError, ValueError) as error:
            raise Unreachable(f"the connection broke: {sentence(error)}") from error

    def leave(self) -> bool:
        """Whether another request can have the connection; what is small is read to its end for that."""
        if self._left is not None and self._left <= DRAINED:
            with suppress(Unreachable):
                for _ in self.chunks():
                    pass
        again = self.whole and not self._response.will_close
        self._response.close()
        return again


class Direct:
    """Connections by server."""

    def __init__(self, most: int, guard: Guard | None, certificates: Callable[[], ssl.SSLContext]) -> None:
        self._most, self._guard, self._certificates = most, guard, certificates
        self._idle: dict[tuple[str, str], list[HTTPConnection]] = {}
        self._mutex = Mutex()

    def ask(
        self, method: str, address: str, headers: Mapping[str, str], body: Iterable[bytes] | None
    ) -> tuple[Reply, Callable[[], None]]:
        """The answer, and what to call when done with it.

        Raises HTTPException, OSError and ValueError where there is none, and what `body` raises.
        """
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("an address that is none")
        server = (parts.scheme, parts.netloc.rpartition("@")[2])
        connection = self._free(server) or self._new(parts.scheme, parts.hostname, parts.port)
        target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        try:
            try:
                _send(connection, method, quote(target, safe=_AS_IT_IS), headers, body)
            except (BrokenPipeError, ConnectionResetError):
                if connection.sock is None:
                    raise
                # a server that does not want the rest says why
            reply = Reply(connection.getresponse())
        except BaseException:
            connection.close()
            raise

        def done() -> None:
            if reply.leave() and connection.sock is not None:
                with self._mutex:
                    idle = self._idle.setdefault(server, [])
                    if len(idle) < self._most:
                        idle.append(connection)
                        return
            connection.close()

        return reply, done

    def _free(self, server: tuple[str, str]) -> HTTPConnection | None:
        """A connection that nobody uses, and that the server has not ended since."""
        while True:
            with self._mutex:
                idle = self._idle.get(server)
                if not idle:
                    return None
                connection = idle.pop()
            waiting = select.poll()
            waiting.register(connection.sock, select.POLLIN)
            if not waiting.poll(0):
                return connection
            connection.close()

    def _new(self, scheme: str, host: str, port: int | None) -> HTTPConnection:
        connection: HTTPConnection
        if scheme == "https":
            context = self._certificates()
            connection = HTTPSConnection(host, port, timeout=CONNECT_TIMEOUT, context=context)
        else:
            connection = HTTPConnection(host, port, timeout=CONNECT_TIMEOUT)
        connection.connect()
        try:
            self._look(host, connection.sock)
        except BaseException:
            connection.close()
            raise
        connection.sock.settimeout(READ_TIMEOUT)
        return connection

    def _look(self, host: str, sock: Any) -> None:
        if self._guard is None:
            return
        why = self._guard.connected(host, sock.getpeername()[0])
        if why is not None:
            raise OSError(why)


def _send(
    connection: HTTPConnection,
    method: str,
    target: str,
    headers: Mapping[str, str],
    body: Iterable[bytes] | None,
) -> None:
    if not isinstance(body, FileBody) or isinstance(connection, HTTPSConnection):
        connection.request(method, target, body, dict(headers))
        return
    connection.putrequest(method, target, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    body.send(connection.sock)
