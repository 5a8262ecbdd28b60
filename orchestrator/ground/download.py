"""Downloading one file over HTTP or from a local folder, as a stream of bytes. Foreign errors stop here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from threading import Event
from threading import Lock as Mutex
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from orchestrator.ground.answers import CHUNK, DRAINED, PAGE_TIMEOUT, Answered, Authorised, Manners, bounded
from orchestrator.ground.deadline import Deadline
from orchestrator.ground.files import opened
from orchestrator.ground.inward import Guard
from orchestrator.ground.notice import NOTICE, TRAFFIC
from orchestrator.ground.parallel import Stopped
from orchestrator.ground.pools import HEADERS, Pools, certificates
from orchestrator.ground.proxies import Proxy, proxy_for
from orchestrator.ground.unreachable import (
    NO_ADDRESS,
    Absent,
    Forbidden,
    Unreachable,
    failure_of,
    guarded,
)

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

    from orchestrator.ground.direct import Direct

T = TypeVar("T")

_ANSWER_LIMIT = 1 << 20
_ANSWER_TIMEOUT = 90.0
"""Seconds for the whole of an answer, its headers too, however slowly it comes."""
_ABSENT = (404, 410)
_FORBIDDEN = (401, 403)


class Downloader:
    """Connections shared by the threads of one run. A host that did not answer is not asked again."""

    def __init__(self, parallel: int = 8, manners: Manners | None = None) -> None:
        self.stop = Event()
        self.waiting: Callable[[str], None] = lambda host: NOTICE.tell(f"waiting for {host}")
        """Called with a host that has not answered for a while, once; only with manners, from any thread."""
        self._manners = manners
        self._parallel = parallel
        self._silent: dict[str, Unreachable] = {}
        self._awaited: set[str] = set()
        self._mutex = Mutex()
        self._direct: Direct | None = None
        self._proxy = lru_cache(proxy_for)  # the whole environment is read for it: 1 ms a small file
        self._guard = None if manners is None or manners.inward else Guard()
        self._pools = Pools(parallel, self._guard, downgrade=manners is None or manners.downgrade)

    def read(self, address: str, kind: Callable[[str], object] = lambda _: None) -> Iterator[bytes]:
        """The bytes at an address. `kind` is told their media type, where the server says one.

        An `Authorised` address is asked for with what it has.
        Raises Absent where there is nothing, Unreachable with another reason, Stopped after `stop`.
        """
        parts = _split(address)
        if parts.scheme == "file":
            yield from self._read_file(Path(unquote(parts.path)))
            return
        if parts.scheme not in ("http", "https"):
            raise Unreachable(f"addresses with {parts.scheme}:// cannot be fetched")
        with self._response(address, parts.netloc, kind) as (_, chunks):
            yield from self._kept(chunks, parts.netloc)

    def page(self, address: str) -> tuple[str, bytes]:
        """A small document: where it was in the end, and its bytes. Raises like `read`."""
        if address.startswith("file://"):
            return address, bounded(self.read(address))
        until = time.monotonic() + PAGE_TIMEOUT

        def whole() -> tuple[str, bytes]:
            with self._response(address, _split(address).netloc) as (final, chunks):
                return final, bounded(self._until(until, chunks))

        return self._within(PAGE_TIMEOUT, whole)

    def ask(self, address: str, body: bytes, kind: str) -> tuple[int, bytes]:
        """Post a body of a media type, once: the status and the body of the answer, whatever it is.

        Nothing is sent to where an answer points to. Raises Unreachable when there is no whole answer; the
        server may have done what was asked all the same; Stopped after `stop`.
        """
        until = time.monotonic() + _ANSWER_TIMEOUT
        return self._within(_ANSWER_TIMEOUT, lambda: self._asked(address, body, kind, until))

    @contextmanager
    def exchange(
        self,
        method: str,
        address: str,
        headers: Mapping[str, str],
        body: Iterable[bytes] | None = None,
        *,
        named: bool,
    ) -> Iterator[Answered]:
        """One request. Nothing is tried again, and no redirection followed.

        `named`: whether the user meant this host, and not a server. Raises Unreachable, Stopped after `stop`.
        """
        parts = _split(address)
        if self._guard is not None and named:
            self._guard.named(parts.netloc)
        proxy = self._proxy(parts.scheme, parts.netloc)
        if proxy is not None:
            with self._by_way_of(proxy, method, address, headers, body) as answer:
                yield answer
            return

        # what is sent may take as long as it takes
        deadline = self._deadline(PAGE_TIMEOUT, parts.netloc) if body is None else None
        try:
            reply, done = self._straight().ask(method, address, {**HEADERS, **headers}, body, deadline)
        except TimeoutError as error:
            raise (failure_of(error, None) if deadline is None else _late(error)) from error
        except (OSError, ValueError) as error:
            raise failure_of(error, None) from error
        try:
            yield Answered(reply.status, reply.headers, self._kept(reply.chunks(), parts.netloc))
        finally:
            done()

    def prepare(self) -> None:
        """Import what an exchange needs, for whoever has more to import while another thread makes it."""
        self._straight()

    def _straight(self) -> Direct:
        from orchestrator.ground.direct import Direct

        with self._mutex:
            if self._direct is None:
                self._direct = Direct(self._parallel, self._guard, certificates)
            return self._direct

    @contextmanager
    def _by_way_of(
        self,
        proxy: Proxy,
        method: str,
        address: str,
        headers: Mapping[str, str],
        body: Iterable[bytes] | None,
    ) -> Iterator[Answered]:
        """The same, of what stands behind a proxy."""
        from urllib3.exceptions import HTTPError

        def ask() -> BaseHTTPResponse:
            return self._pools.by_way_of(proxy).request(
                method,
                address,
                body=body,
                headers={**HEADERS, **headers},
                preload_content=False,
                redirect=False,
                retries=False,
            )

        try:
            response = ask() if body is not None else self._within(PAGE_TIMEOUT, ask, str(proxy))
        except (HTTPError, OSError, ValueError) as error:
            raise failure_of(error, proxy) from error
        try:
            host = _split(address).netloc
            yield Answered(response.status, response.headers, self._kept(guarded(_come(response)), host))
        finally:
            if (left := response.length_remaining) is not None and left <= DRAINED:
                response.drain_conn()  # so that the next request needs no new connection
            response.close()

    def _kept(self, chunks: Iterator[bytes], host: str) -> Iterator[bytes]:
        """The chunks, at the pace that is asked for."""
        began, size = time.monotonic(), 0
        for chunk in chunks:
            if self.stop.is_set():
                raise Stopped
            size += len(chunk)
            TRAFFIC.fetched += len(chunk)
            if self._manners is not None:
                took = time.monotonic() - began
                if self._manners.is_slow(took, size):
                    raise Unreachable(f"it comes too slowly: {size} bytes so far")
                if took > self._manners.patience and size < self._manners.pace * took:
                    self._tell(host)
            yield chunk

    def _asked(self, address: str, body: bytes, kind: str, until: float) -> tuple[int, bytes]:
        from urllib3.exceptions import HTTPError

        parts = _split(address)
        proxy = self._proxy(parts.scheme, parts.netloc)
        try:
            response = self._pools.by_way_of(proxy).request(
                "POST",
                address,
                body=body,
                headers={**HEADERS, "Content-Type": kind},
                preload_content=False,
                redirect=False,
                retries=False,
            )
        except (HTTPError, OSError, ValueError) as error:
            raise failure_of(error, proxy) from error
        try:
            return response.status, bounded(self._until(until, guarded(_come(response))), _ANSWER_LIMIT)
        finally:
            response.close()

    def _deadline(self, seconds: float, host: str | None) -> Deadline:
        patience = self._manners.patience if self._manners and host else None
        return Deadline(seconds, self.stop, patience, lambda: self._tell(host or ""))

    def _within(self, seconds: float, work: Callable[[], T], host: str | None = None) -> T:
        try:
            return self._deadline(seconds, host).beside(work)
        except TimeoutError as error:
            raise _late(error) from error

    def _tell(self, host: str) -> None:
        with self._mutex:
            new = host not in self._awaited
            self._awaited.add(host)
        if new:
            self.waiting(host)

    def folder(self, address: str) -> Path | None:
        """The local folder that a `file://` address names; None when it names none."""
        path = Path(unquote(_split(address).path))
        return path if path.is_dir() else None

    def _until(self, moment: float, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """The chunks that come before a moment of the monotonic clock."""
        for chunk in chunks:
            if self.stop.is_set():
                raise Stopped
            if time.monotonic() > moment:
                raise Unreachable("the answer takes too long")
            yield chunk

    def _read_file(self, path: Path) -> Iterator[bytes]:
        try:
            with opened(path) as stream:
                while chunk := stream.read(CHUNK):
                    yield chunk
        except FileNotFoundError as error:
            raise Absent(error.strerror or str(error)) from error
        except (OSError, ValueError) as error:
            raise Unreachable(getattr(error, "strerror", None) or str(error)) from error

    @contextmanager
    def _response(
        self, address: str, host: str, kind: Callable[[str], object] = lambda _: None
    ) -> Iterator[tuple[str, Iterator[bytes]]]:
        from urllib3.exceptions import (
            ConnectTimeoutError,
            HTTPError,
            MaxRetryError,
            NewConnectionError,
            ProxyError,
        )

        if self._guard is not None:
            self._guard.named(host)
        proxy = self._proxy(_split(address).scheme, host)
        asked = proxy.address if proxy else host
        if asked in self._silent:
            known = self._silent[asked]
            raise type(known)(*known.args)
        try:
            manager = self._pools.by_way_of(proxy)
            headers = HEADERS if not isinstance(address, Authorised) else {**HEADERS, **address.headers}
            response = self._within(
                self._manners.answer if self._manners else PAGE_TIMEOUT,
                lambda: manager.request("GET", address, preload_content=False, headers=headers),
                str(proxy) if proxy else host,
            )
        except (HTTPError, OSError, ValueError) as error:
            reason = error.reason if isinstance(error, MaxRetryError) and error.reason else error
            failure = failure_of(reason, proxy)
            cause = reason.original_error if isinstance(reason, ProxyError) else reason
            if isinstance(cause, NewConnectionError | ConnectTimeoutError):
                with self._mutex:
                    self._silent[asked] = type(failure)(f"{failure} (asked once)")
            raise failure from error
        try:
            if response.status != 200:
                way = f", by way of {proxy}" if proxy else ""
                said = f"HTTP status {response.status} {response.reason or ''}".rstrip() + way
                if response.status in _ABSENT:
                    raise Absent(said)
                raise Forbidden(said) if response.status in _FORBIDDEN else Unreachable(said)
            if response.headers.get("Content-Type"):
                kind(response.headers["Content-Type"])
            final = urljoin(address, response.geturl() or address)
            # what is to keep a pace is looked at as it comes
            whole = response.stream(CHUNK, decode_content=False)
            yield final, guarded(whole if self._manners is None else _come(response))
        finally:
            response.close()


def _split(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError:
        raise Unreachable(NO_ADDRESS) from None


def _late(error: TimeoutError) -> Unreachable:
    return Unreachable(f"the answer takes too long: {error}")


def _come(response: BaseHTTPResponse) -> Iterator[bytes]:
    """A body as it comes, where `stream` waits until a chunk is full."""
    return iter(lambda: response.read1(CHUNK, decode_content=False), b"")
