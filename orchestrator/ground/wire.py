"""One connection to a server: a request out, the head of an answer and its body in.

Specification: RFC 9112 (HTTP/1.1). What is ambiguous is refused, and never guessed at. Python's own client
reads heads as mail, and imports TLS for http, too: an eighth of a cold `tally verify oci://…`.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from orchestrator.ground.answers import CHUNK, CONNECT_TIMEOUT, READ_TIMEOUT
from orchestrator.ground.filebody import FileBody

if TYPE_CHECKING:
    import ssl

    from orchestrator.ground.deadline import Deadline

_LOOK: Final = 0.2  # seconds between two looks at a deadline
_HEAD: Final = 1 << 16  # bytes of a head, and of a line between chunks
_MOST_HEADERS: Final = 100
_MOST_INTERIM: Final = 20
_END: Final = re.compile(rb"\r?\n\r?\n")
_STATUS: Final = re.compile(r"HTTP/1\.(\d) ([1-9]\d\d)(?: .*)?")
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?\r?\n")
_SENDABLE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_HOST: Final = re.compile(r"[^\x00-\x20\x7f]+")
_SPOKEN_WITH_BODY: Final = ("PATCH", "POST", "PUT")


class Headers(Mapping[str, str]):
    """What an answer is headed with, by names in any case; what is said several times is joined by commas."""

    def __init__(self, said: Iterable[tuple[str, str]]) -> None:
        self._values: dict[str, str] = {}
        for name, value in said:
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
        self._come = b""
        """What came and was not read yet."""

    @property
    def quiet(self) -> bool:
        """Whether nothing came that nobody asked for."""
        return not self._come

    def close(self) -> None:
        self.sock.close()

    def send(
        self, method: str, target: str, headers: Mapping[str, str], body: Iterable[bytes] | None
    ) -> None:
        """Send a request, whose body has the size that its headers say, or else comes in chunks."""
        more = {"Host": self._host, **headers}
        sized = any(name.lower() == "content-length" for name in headers)
        if body is None and not sized and method in _SPOKEN_WITH_BODY:
            more["Content-Length"] = "0"
        if in_chunks := body is not None and not sized:
            more["Transfer-Encoding"] = "chunked"
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in more.items())]
        if not all(_SENDABLE.fullmatch(line) for line in lines):
            raise ValueError("a header that cannot be sent")
        self.sock.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
        if isinstance(body, FileBody) and self._plain and sized:
            body.send(self.sock)
            return
        for chunk in body or ():
            if chunk:
                self.sock.sendall(b"%x\r\n%b\r\n" % (len(chunk), chunk) if in_chunks else chunk)
        if in_chunks:
            self.sock.sendall(b"0\r\n\r\n")

    def head(self, deadline: Deadline | None) -> tuple[int, int, Headers]:
        """The minor version, the status and the headers of the answer, by a deadline if there is one.

        Raises OSError, ValueError and what the deadline does.
        """
        for _ in range(_MOST_INTERIM):
            version, status, headers = _read(self._until_end_of_head(deadline))
            if status >= 200:
                return version, status, headers
        raise ValueError("it says again and again that an answer will come")

    def some(self, most: int) -> bytes:
        """The next bytes of the body, `most` of them; none: the connection's end."""
        if self._come:
            found, self._come = self._come[:most], self._come[most:]
            return found
        return self.sock.recv(min(most, CHUNK))

    def chunk_size(self) -> int:
        """How large the next chunk is. Raises ValueError for what says no size."""
        found = _SIZE.fullmatch(self._line())
        if found is None:
            raise ValueError("a part of it has no size")
        return int(found[1], 16)

    def end_of_chunk(self) -> None:
        """Raises ValueError where a chunk is larger than it says."""
        if self._line().rstrip(b"\r\n"):
            raise ValueError("a part of it has another size than it says")

    def trailers(self) -> None:
        """Read what follows the last chunk, which nobody asked for."""
        for _ in range(_MOST_HEADERS):
            if not self._line().rstrip(b"\r\n"):
                return
        raise ValueError("too many headers follow it")

    def _line(self) -> bytes:
        while b"\n" not in self._come:
            self._more(None, "it ends within a part")
        line, _, self._come = self._come.partition(b"\n")
        return line + b"\n"

    def _until_end_of_head(self, deadline: Deadline | None) -> str:
        seen = 0
        while (found := _END.search(self._come, seen)) is None:
            seen = max(0, len(self._come) - 3)
            self._more(deadline, "it was ended without an answer")
        head, self._come = self._come[: found.start()], self._come[found.end() :]
        return head.decode("latin-1")

    def _more(self, deadline: Deadline | None, ended: str) -> None:
        if len(self._come) > _HEAD:
            raise ValueError("a line or a head of it is too long")
        came = self.sock.recv(_HEAD) if deadline is None else self._by(deadline)
        if not came:
            raise ConnectionResetError(ended)
        self._come += came

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


def _read(head: str) -> tuple[int, int, Headers]:
    """Raises ValueError for what is no head of an answer."""
    first, *lines = re.split("\r?\n", head)
    found = _STATUS.fullmatch(first)
    if found is None:
        raise ValueError("it does not answer in HTTP")
    if len(lines) > _MOST_HEADERS:
        raise ValueError(f"its answer has more than {_MOST_HEADERS} headers")
    said: list[tuple[str, str]] = []
    for line in lines:
        if line[:1] in (" ", "\t") and said:  # as old servers fold long ones
            said[-1] = (said[-1][0], f"{said[-1][1]} {line.strip()}")
            continue
        name, colon, value = line.partition(":")
        if not colon or not _NAME.fullmatch(name):
            raise ValueError("its answer has a header that is none")
        said.append((name, value.strip(" \t")))
    return int(found[1]), int(found[2]), Headers(said)
