"""Requests without a proxy in between: what is cut short is told, and connections are used again."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from self_signed import self_signed

from orchestrator.ground import direct, download, wire
from orchestrator.ground.answers import Manners
from orchestrator.ground.download import Downloader
from orchestrator.ground.parallel import Stopped
from orchestrator.ground.unreachable import Unreachable

OK = b"HTTP/1.1 200 OK\r\n"
OLD = b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n"
TEN = OK + b"Content-Length: 10\r\n\r\n0123456789"


@contextmanager
def serving(*connections: list[bytes]) -> Iterator[tuple[str, list[bytes]]]:
    """A server's address, and what it was sent. It gives each connection its answers, and ends it."""
    told: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            for answers in connections:
                with listening.accept()[0] as connection:
                    for answer in answers:
                        request = b""
                        while b"\r\n\r\n" not in request and (more := connection.recv(1 << 16)):
                            request += more
                        while not request.endswith(_ends(request)) and (more := connection.recv(1 << 16)):
                            request += more
                        told.append(request)
                        connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", told
        thread.join(10)


def _ends(request: bytes) -> bytes:
    """How a whole request ends, of the few bodies that are awaited here."""
    if b"chunked" in request:
        return b"0\r\n\r\n"
    return b"abc" if b"content-length: 3" in request else b""


def asked(http: Downloader, address: str, method: str = "GET") -> bytes:
    with http.exchange(method, address, {}, named=True) as answer:
        return b"".join(answer.chunks)


def test_a_connection_is_used_again() -> None:
    chunked = OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    head = OK + b"Content-Length: 10\r\n\r\n"
    with serving([TEN, chunked, head, TEN]) as (address, told):
        http = Downloader()
        assert asked(http, f"{address}/a") == b"0123456789"
        assert asked(http, f"{address}/b?c=d e") == b"abc"
        assert asked(http, f"{address}/head", "HEAD") == b""
        assert asked(http, f"{address}/e") == b"0123456789"
    assert told[1].startswith(b"GET /b?c=d%20e HTTP/1.1\r\n")


def test_one_that_the_server_ended_is_not() -> None:
    with serving([TEN], [TEN]) as (address, told):
        http = Downloader()
        assert asked(http, address) == asked(http, address) == b"0123456789"
    assert len(told) == 2


def test_what_changes_nothing_is_asked_anew_where_a_used_connection_ends() -> None:
    with serving([TEN, b""], [TEN, b""]) as (address, told):
        http = Downloader()
        assert asked(http, address) == asked(http, address) == b"0123456789"
        with pytest.raises(Unreachable, match="ended without an answer"):
            asked(http, address, "POST")
    assert [each[:4] for each in told] == [b"GET ", b"GET ", b"GET ", b"POST"]
    with serving([b""]) as (address, told), pytest.raises(Unreachable, match="ended without an answer"):
        asked(Downloader(), address)
    assert len(told) == 1


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"Content-Length: 11\r\n\r\n0123456789",
        OK + b"Transfer-Encoding: chunked\r\n\r\n20\r\nabc",
        OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc",
        OK + b"Transfer-Encoding: chunked\r\n\r\nmany\r\nabc\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n3" + b";" * (1 << 17),
        OK + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc",
    ],
)
def test_what_is_cut_short_is_never_a_whole_body(answer: bytes) -> None:
    with serving([answer]) as (address, _), pytest.raises(Unreachable, match="the connection broke"):
        asked(Downloader(), address)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nothing\r\n\r\n",
        OK[:10],
        OK + b"A: b\r\n",
        OK + b"A: b\r\n" * 200 + b"\r\n",
        OK + b"A: " + b"b" * (1 << 17),
        OK + b"no header\r\n\r\n",
        OK + b"A name: b\r\n\r\n",
        OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        OK + b"Content-Length: -1\r\n\r\nab",
        OK + b"Content-Length: \xb2\r\n\r\nab",
        OK + b"Content-Length:\r\n\r\nab",
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        OK + b"Content-Length: 1\r\r\n\r\na",
        OK + b"A: b\rContent-Length: 2\r\nContent-Length: 1\r\n\r\na",
        OK + b"A: \0\r\nContent-Length: 1\r\n\r\na",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 1000,
        b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_what_is_no_answer(answer: bytes) -> None:
    with serving([answer]) as (address, _), pytest.raises(Unreachable):
        asked(Downloader(), address)


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + TEN, b"0123456789"),
        (OK + b"Content-Length: 3, 3\r\n\r\nabc", b"abc"),
        (OK + b"A: b\r\n\tc\r\nContent-Length: 3\r\n\r\nabc", b"abc"),
        (b"HTTP/1.1 200\nContent-Length:3\n\nabc", b"abc"),
        (OK + b"Transfer-Encoding: Chunked\r\n\r\n2;a=b\r\nab\r\n1\r\nc\r\n0\r\nA: b\r\n\r\n", b"abc"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    ],
)
def test_forms_of_an_answer(answer: bytes, body: bytes) -> None:
    with serving([answer, TEN]) as (address, told):
        http = Downloader()
        assert asked(http, address) == body
        assert asked(http, address) == b"0123456789"
    assert len(told) == 2


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"\r\n0123456789",
        b"HTTP/1.0 200 OK\r\nContent-Length: 10\r\n\r\n0123456789",
        OK + b"Connection: Close\r\nContent-Length: 10\r\n\r\n0123456789",
        TEN + TEN,
        OK + b"Transfer-Encoding: chunked\r\nContent-Length: 10\r\n\r\na\r\n0123456789\r\n0\r\n\r\n",
        OLD + b"Transfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n",
    ],
    ids=["until-its-end", "old", "closed", "more-than-was-asked-for", "of-two-ends", "old-in-chunks"],
)
def test_a_connection_is_not_used_again(answer: bytes) -> None:
    other = OK + b"Content-Length: 1\r\n\r\na"
    with serving([answer], [other]) as (address, _):
        http = Downloader()
        assert asked(http, address) == b"0123456789"
        assert asked(http, address) == b"a"


def test_what_is_sent() -> None:
    with serving([TEN, TEN, TEN]) as (address, told):
        http = Downloader()
        asked(http, address, "POST")
        with http.exchange("PUT", address, {"content-length": "3"}, iter([b"ab", b"", b"c"]), named=True):
            pass
        with http.exchange("POST", address, {"A": "\xe9"}, iter([b"ab", b"", b"c"]), named=True):
            pass
    host = address.removeprefix("http://").encode()
    assert told[0].startswith(b"POST / HTTP/1.1\r\nHost: " + host + b"\r\n")
    assert b"\r\nContent-Length: 0\r\n" in told[0]
    assert told[1].endswith(b"content-length: 3\r\n\r\nabc")
    assert b"\r\nA: \xe9\r\nTransfer-Encoding: chunked\r\n" in told[2]


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\0", "\u20ac"])
def test_headers_hold_nothing_else(value: str) -> None:
    with (
        serving([TEN]) as (address, told),
        pytest.raises(Unreachable, match="cannot be sent"),
        Downloader().exchange("GET", address, {"A": value}, named=True),
    ):
        pass
    assert told in ([], [b""])


def test_a_silent_server_is_left_when_it_is_to_end() -> None:
    """By each request of those whose answers are waited for, and after whoever waits was told."""
    heard: list[str] = []
    http = Downloader(manners=Manners(patience=0.0))

    def leave(host: str) -> None:
        heard.append(host)
        http.stop.set()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        http.waiting = leave
        host = f"127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(Stopped):
            asked(http, f"http://{host}/")
    assert heard == [host]


def test_over_tls_by_certificates_that_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known, other = tmp_path / "known.pem", tmp_path / "other.pem"
    for each in (known, other):
        each.write_bytes(self_signed())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(known)
    large = b"a" * 1_000_000
    answer = OK + b"Content-Length: 1000000\r\n\r\n" + large

    def serve(listening: socket.socket) -> None:
        for _ in range(2):
            with (
                suppress(OSError),
                context.wrap_socket(listening.accept()[0], server_side=True) as connection,
            ):
                while connection.recv(1 << 16):
                    connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=[listening], daemon=True)
        thread.start()
        address = f"https://127.0.0.1:{listening.getsockname()[1]}/"
        monkeypatch.setenv("SSL_CERT_FILE", str(other))
        with pytest.raises(Unreachable, match="certificate verify failed"):
            asked(Downloader(), address)
        monkeypatch.setenv("SSL_CERT_FILE", str(known))
        http = Downloader()
        assert asked(http, address) == asked(http, address) == large
        http = Downloader()  # whose connections are gone with it
        thread.join(10)


def test_what_tls_still_holds_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sent with the body, in one record: the socket itself has nothing left to read."""
    pem = tmp_path / "known.pem"
    pem.write_bytes(self_signed())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    body = b"a" * 20_000
    answers = [OK + b"Content-Length: 20000\r\n\r\n" + body + TEN, OK + b"Content-Length: 1\r\n\r\na"]

    def serve(listening: socket.socket) -> None:
        for answer in answers:
            with (
                suppress(OSError),
                context.wrap_socket(listening.accept()[0], server_side=True) as connection,
            ):
                connection.recv(1 << 16)
                connection.sendall(answer)
                connection.recv(1 << 16)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=[listening], daemon=True)
        thread.start()
        address = f"https://127.0.0.1:{listening.getsockname()[1]}/"
        http = Downloader()
        assert asked(http, address) == body
        assert asked(http, address) == b"a"
        del http
        thread.join(10)


@contextmanager
def dripping(begin: bytes) -> Iterator[str]:
    """The address of a server whose answer begins so, and goes on without an end."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            with listening.accept()[0] as connection, suppress(OSError):
                connection.recv(1 << 16)
                connection.sendall(begin)
                while not ended.wait(0.05):
                    connection.sendall(b"a")

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        finally:
            ended.set()
            thread.join(10)


def test_the_rest_that_nobody_wants_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct, "_DRAINING", 0.2)
    with (
        dripping(b"HTTP/1.1 404 Not Found\r\nContent-Length: 60000\r\n\r\n") as address,
        Downloader().exchange("GET", address, {}, named=True) as answer,
    ):
        assert answer.status == 404


@pytest.mark.parametrize(
    "begin",
    [
        OK + b"Transfer-Encoding: chunked\r\n\r\n1;",
        OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\nA: ",
        OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\na",
        OK + b"A: ",
    ],
    ids=["size", "trailers", "end-of-chunk", "head"],
)
def test_what_shows_no_pace_has_an_end(begin: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also the head of an answer to a body, which has no deadline."""
    monkeypatch.setattr(wire, "READ_TIMEOUT", 0.3)
    with (
        dripping(begin) as address,
        pytest.raises(Unreachable, match=r"too slowly|malformed chunk footer"),
        Downloader().exchange("PUT", address, {"Content-Length": "1"}, iter([b"a"]), named=True) as answer,
    ):
        b"".join(answer.chunks)


def test_an_answer_that_drips_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PAGE_TIMEOUT", 0.3)
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            with listening.accept()[0] as connection, suppress(OSError):
                while not ended.wait(0.05):
                    connection.sendall(b"a")

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        with pytest.raises(Unreachable, match="takes too long"):
            asked(Downloader(), f"http://127.0.0.1:{listening.getsockname()[1]}/")
        ended.set()
        thread.join(10)


def test_the_rest_of_a_large_answer_is_not_read() -> None:
    large = OK + b"Content-Length: 1000000000\r\n\r\n" + b"a" * 1000
    with serving([large], [TEN]) as (address, _):
        http = Downloader()
        with http.exchange("GET", address, {}, named=True) as answer:
            assert answer.status == 200
        assert asked(http, address) == b"0123456789"


def test_who_does_not_want_the_rest_says_why() -> None:
    """A body that is refused at its beginning: the answer counts, and not that it could not be sent."""
    refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

    def body() -> Iterator[bytes]:
        for _ in range(1000):
            yield b"a" * (1 << 16)

    with serving([refusal]) as (address, _):
        headers = {"Content-Length": str(1000 << 16)}
        with Downloader().exchange("PUT", address, headers, body(), named=True) as answer:
            assert answer.status == 413


def test_headers_by_any_case_and_joined() -> None:
    two = OK + b"LINK: a\r\nlink: b\r\nContent-Length: 0\r\n\r\n"
    with (
        serving([two]) as (address, _),
        Downloader().exchange("GET", address, {}, named=True) as answer,
    ):
        assert answer.headers["Link"] == "a, b"
        assert "LINK" in answer.headers and "else" not in answer.headers


def test_nobody_is_turned_inwards() -> None:
    http = Downloader(manners=Manners(inward=False))
    with (
        serving([TEN]) as (address, told),
        pytest.raises(Unreachable, match="inside this network"),
        http.exchange("GET", address, {}, named=False),
    ):
        pass
    assert told in ([], [b""])


@pytest.mark.parametrize("address", ["http://", "http:///x", "http://h:99999/", "http://a b/", "ftp://h/"])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(Unreachable):
        asked(Downloader(), address)
