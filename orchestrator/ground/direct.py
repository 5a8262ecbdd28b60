"""One request to a server with no proxy in between, over connections that the threads of a run share.

urllib3 takes many times as long to import, and is there for proxies and retries.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from threading import Lock as Mutex
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

from orchestrator.ground.answers import CHUNK, DRAINED
from orchestrator.ground.deadline import Deadline
from orchestrator.ground.inward import Guard
from orchestrator.ground.unreachable import Unreachable, sentence
from orchestrator.ground.wire import Wire

if TYPE_CHECKING:
    import ssl

_AS_IT_IS: Final = "!#$%&'()*+,/:;=?@[]~"
"""What stays in an address; all else is escaped, as what a server points to can hold anything."""
_DRAINING: Final = 1.0  # seconds that the rest of an answer may take that nobody wants
_BODILESS: Final = (204, 304)
_ASKED_ANEW: Final = ("GET", "HEAD")


class Reply:
    """An answer whose body is still to come. Raises OSError and ValueError where there is none."""

    def __init__(self, wire: Wire, method: str, deadline: Deadline | None) -> None:
        self._wire = wire
        old, self.status, self.headers = wire.head(deadline)
        self._chunked = "Transfer-Encoding" in self.headers  # h11 takes no other coding
        size = self.headers.get("Content-Length")
        self._left = None if self._chunked or size is None else int(size)
        """Bytes; None: until its end is said, or the connection's."""
        self.whole = method == "HEAD" or self.status in _BODILESS or self._left == 0
        """Whether all of it was read."""
        said = self.headers.get("Connection", "").lower()
        until_end = self._left is None and not self._chunked and not self.whole
        # RFC 9112, 6.1: what says two ends, or speaks of chunks before there were any, is the last
        odd = self._chunked and (old or size is not None)
        self._last = until_end or odd or "close" in said or (old and "keep-alive" not in said)
        """Whether no other request can have the connection."""

    def chunks(self) -> Iterator[bytes]:
        """The body as it comes. Raises Unreachable."""
        try:
            while not self.whole:
                if chunk := self._next():
                    yield chunk
        except (OSError, ValueError) as error:
            raise Unreachable(f"the connection broke: {sentence(error)}") from error

    def leave(self) -> bool:
        """Whether another request can have the connection.

        What is small is read to its end for that, where it does not have to be waited for: nobody wants it.
        """
        if self._left is not None and self._left <= DRAINED:
            until = time.monotonic() + _DRAINING
            with suppress(Unreachable), self._wire.hasty(_DRAINING):
                for _ in self.chunks():
                    if time.monotonic() > until:
                        break
        return self.whole and not self._last and self._wire.quiet

    def _next(self) -> bytes:
        if self._chunked:
            chunk = self._wire.part()
        else:
            chunk = self._wire.some(CHUNK if self._left is None else min(CHUNK, self._left))
        if self._left is None:
            self.whole = not chunk
        elif not chunk:
            raise ConnectionResetError(f"{self._left} bytes are missing")
        else:
            self._left -= len(chunk)
            self.whole = self._left == 0
        return chunk


class Direct:
    """Connections by server."""

    def __init__(self, most: int, guard: Guard | None, certificates: Callable[[], ssl.SSLContext]) -> None:
        self._most, self._guard, self._certificates = most, guard, certificates
        self._idle: dict[tuple[str, str], list[Wire]] = {}
        self._mutex = Mutex()

    def ask(
        self,
        method: str,
        address: str,
        headers: Mapping[str, str],
        body: Iterable[bytes] | None,
        deadline: Deadline | None,
    ) -> tuple[Reply, Callable[[], None]]:
        """The answer, and what to call when done with it. It has to begin by the deadline, if there is one.

        A server may end a connection that is used again at that moment: what changes nothing is asked anew.
        Raises OSError and ValueError where there is none, and what `body` and the deadline raise.
        """
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("an address that is none")
        server = (parts.scheme, parts.netloc.rpartition("@")[2])
        scheme, host, port = parts.scheme, parts.hostname, parts.port
        path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        target = quote(path, safe=_AS_IT_IS)

        def new() -> Wire:
            return self._new(scheme, host, port)

        def over(wire: Wire) -> Reply:
            try:
                # a server that does not want the rest of a body says why
                with suppress(BrokenPipeError, ConnectionResetError):
                    wire.send(method, target, headers, body)
                return Reply(wire, method, deadline)
            except BaseException:
                wire.close()
                raise

        while (used := self._free(server)) is not None:
            try:
                return self._left(server, used, over(used))
            except ConnectionError:
                if method not in _ASKED_ANEW:
                    raise
        wire = new() if deadline is None else deadline.beside(new)
        return self._left(server, wire, over(wire))

    def _left(self, server: tuple[str, str], wire: Wire, reply: Reply) -> tuple[Reply, Callable[[], None]]:
        """An answer, and what to call when done with it."""

        def done() -> None:
            if reply.leave():
                with self._mutex:
                    idle = self._idle.setdefault(server, [])
                    if len(idle) < self._most:
                        idle.append(wire)
                        return
            wire.close()

        return reply, done

    def _free(self, server: tuple[str, str]) -> Wire | None:
        """A connection that nobody uses, and that the server has not ended since."""
        while True:
            with self._mutex:
                idle = self._idle.get(server)
                if not idle:
                    return None
                wire = idle.pop()
            waiting = select.poll()
            waiting.register(wire.sock, select.POLLIN)
            if not waiting.poll(0):
                return wire
            wire.close()

    def _new(self, scheme: str, host: str, port: int | None) -> Wire:
        wire = Wire(host, port, self._certificates if scheme == "https" else None)
        try:
            if self._guard is not None:
                why = self._guard.connected(host, wire.sock.getpeername()[0])
                if why is not None:
                    raise OSError(why)
        except BaseException:
            wire.close()
            raise
        return wire
