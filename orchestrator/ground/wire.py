"""One connection to a server: a request out, the head of an answer and its body in.

h11 writes and reads what is HTTP/1.1 (RFC 9112). Sockets and moments are ours, and so are bodies of a known
size, which it would copy. Python's own client reads heads as mail, and imports TLS for http, too: an eighth
of a cold `tally verify oci://…`.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import h11

from orchestrator.ground.answers import CHUNK, CONNECT_TIMEOUT, READ_TIMEOUT
from orchestrator.ground.filebody import FileBody

if TYPE_CHECKING:
    import ssl

    from orchestrator.ground.deadline import Deadline

_LOOK: Final = 0.2  # seconds between two looks at a deadline
_HEAD: Final = 1 << 16  # bytes of a head, and of a line between chunks
_MOST_HEADERS: Final = 100
_MOST_INTERIM: Final = 20
_HOST: Final = re.compile(r"[^\x00-\x20\x7f]+")
_SPOKEN_WITH_BODY: Final = ("PATCH", "POST", "PUT")


class Headers(Mapping[str, str]):
    """What an answer is headed with, by names in any case; what is said several times is joined by commas."""

    def __init__(self, said: Iterable[tuple[bytes, bytes]]) -> None:
        self._values: dict[str, str] = {}
        for each, octets in said:
            name, value = each.decode("ascii").lower(), octets.decode("latin-1")
            known = self._values.get(name)
            self._values[name] = value if known is None else f"{known}, {value}"

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class Wire:
    """A connection, encrypted where it has a context. Raises OSError and ValueError where there is none."""

    def __init__(self, host: str, port: int | None, context: Callable[[], ssl.SSLContext] | None) -> None:
        if not _HOST.fullmatch(host):
            raise ValueError("an address that is none")
        name = host.encode("ascii" if host.isascii() else "idna")
        usual = 443 if context else 80
        shown = f"[{name.decode()}]" if ":" in host else name.decode()
        self._host = shown if port in (None, usual) else f"{shown}:{port}"
        # as bytes: what is ASCII already needs no tables of Unicode
        place: Any = (name, port or usual)
        self.sock: socket.socket = socket.create_connection(place, CONNECT_TIMEOUT)
        try:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if context is not None:
                self.sock = context().wrap_socket(self.sock, server_hostname=name.decode())
            self.sock.settimeout(READ_TIMEOUT)
        except BaseException:
            self.sock.close()
            raise
        self._plain = context is None
        self._spoken = _exchange()
        self._come: bytes | None = None
        """What came of a body and was not read yet; None: h11 reads it."""

    @property
    def quiet(self) -> bool:
        """Whether nothing came that nobody asked for, also where TLS has it and the system does not."""
        return not self._begun and (self._plain or not self.sock.pending())  # type: ignore[attr-defined]

    @property
    def _begun(self) -> bytes:
        """What came and was not read yet."""
        return bytes(self._spoken.trailing_data[0]) if self._come is None else self._come

    @contextmanager
    def hasty(self, seconds: float) -> Iterator[None]:
        """Meanwhile nothing is waited for longer than that."""
        self.sock.settimeout(seconds)
        try:
            yield
        finally:
            self.sock.settimeout(READ_TIMEOUT)

    def close(self) -> None:
        self.sock.close()

    def send(
        self, method: str, target: str, headers: Mapping[str, str], body: Iterable[bytes] | None
    ) -> None:
        """Send a request, whose body has the size that its headers say, or else comes in chunks."""
        self._spoken, self._come = _exchange(), None
        more = {"Host": self._host, **headers}
        sized = any(name.lower() == "content-length" for name in headers)
        if body is None and not sized and method in _SPOKEN_WITH_BODY:
            more["Content-Length"] = "0"
        if body is not None and not sized:
            more["Transfer-Encoding"] = "chunked"
        try:
            said = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in more.items()]
            head = self._spoken.send(h11.Request(method=method, target=target, headers=said))
        except (h11.LocalProtocolError, UnicodeEncodeError) as error:
            raise ValueError(f"a request that cannot be sent: {error}") from error
        self.sock.sendall(head or b"")
        if isinstance(body, FileBody) and self._plain and sized:
            body.send(self.sock)
            return
        for chunk in body or ():
            self._say(h11.Data(data=chunk))
        self._say(h11.EndOfMessage())

    def head(self, deadline: Deadline | None) -> tuple[bool, int, Headers]:
        """Whether it is HTTP/1.0, the status and the headers of the answer, by a deadline if there is one.

        Raises OSError, ValueError and what the deadline does.
        """
        for _ in range(_MOST_INTERIM):
            answer = self._event(deadline)
            if not isinstance(answer, h11.Response | h11.InformationalResponse):
                break
            if len(answer.headers) > _MOST_HEADERS:
                raise ValueError(f"its answer has more than {_MOST_HEADERS} headers")
            if not answer.http_version.startswith(b"1."):
                break
            if isinstance(answer, h11.Response):
                return answer.http_version == b"1.0", answer.status_code, Headers(answer.headers)
        raise ValueError("it does not answer in HTTP/1.1")

    def part(self) -> bytes:
        """The next bytes of a body that comes in chunks; none: its end."""
        event = self._event(None)
        return bytes(event.data) if isinstance(event, h11.Data) else b""

    def some(self, most: int) -> bytes:
        """The next bytes of a body that does not, `most` of them; none: the connection's end."""
        self._come = self._begun
        if self._come:
            found, self._come = self._come[:most], self._come[most:]
            return found
        return self.sock.recv(min(most, CHUNK))

    def _say(self, event: h11.Event) -> None:
        try:
            said = self._spoken.send(event)
        except h11.LocalProtocolError as error:
            raise ValueError(f"a body that has another size than it says: {error}") from error
        if said:
            self.sock.sendall(said)

    def _event(self, deadline: Deadline | None) -> Any:
        """The next thing that is said. Raises OSError, ValueError and what the deadline does.

        Without a deadline it may take long to begin, as after a large body, and not to go on: of a head, or
        of a line between chunks, no pace is seen while it drips.
        """
        until = None
        try:
            while (event := self._spoken.next_event()) is h11.NEED_DATA:
                if deadline is None and self._begun:
                    until = until or time.monotonic() + READ_TIMEOUT
                    if time.monotonic() > until:
                        raise TimeoutError("it comes too slowly")
                came = self.sock.recv(_HEAD) if deadline is None else self._by(deadline)
                if not came and self._spoken.their_state is h11.SEND_RESPONSE and not self._begun:
                    raise ConnectionResetError("it was ended without an answer")
                self._spoken.receive_data(came)
        except h11.RemoteProtocolError as error:
            raise ValueError(f"it does not speak as HTTP/1.1 has it: {str(error)[:200]}") from error
        return event

    def _by(self, deadline: Deadline) -> bytes:
        self.sock.settimeout(_LOOK)
        try:
            for _ in range(int(READ_TIMEOUT / _LOOK)):
                deadline.look()
                with suppress(TimeoutError):
                    return self.sock.recv(_HEAD)
            raise TimeoutError("timed out")
        finally:
            self.sock.settimeout(READ_TIMEOUT)


def _exchange() -> h11.Connection:
    """One request and its answer: what of a connection is used again is ours to say."""
    return h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD)
