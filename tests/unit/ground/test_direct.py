"""Requests without a proxy in between: what is cut short is told, and connections are used again."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from orchestrator.ground.answers import Manners
from orchestrator.ground.download import Downloader
from orchestrator.ground.unreachable import Unreachable

OK = b"HTTP/1.1 200 OK\r\n"
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
                        told.append(request)
                        connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", told
        thread.join(10)


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


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"Content-Length: 11\r\n\r\n0123456789",
        OK + b"Transfer-Encoding: chunked\r\n\r\n20\r\nabc",
        OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc",
        OK + b"Transfer-Encoding: chunked\r\n\r\nmany\r\nabc\r\n",
    ],
)
def test_what_is_cut_short_is_never_a_whole_body(answer: bytes) -> None:
    with serving([answer]) as (address, _), pytest.raises(Unreachable, match="the connection broke"):
        asked(Downloader(), address)


@pytest.mark.parametrize("answer", [b"", b"nothing\r\n\r\n", OK + b"A: b\r\n" * 200 + b"\r\n"])
def test_what_is_no_answer(answer: bytes) -> None:
    with serving([answer]) as (address, _), pytest.raises(Unreachable):
        asked(Downloader(), address)


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
