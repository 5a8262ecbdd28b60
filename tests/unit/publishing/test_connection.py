"""What a registry that is spoken to over TLS can have us send: never to where others read on the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from orchestrator.ground.answers import Answered
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.publishing.reference import Registry, parse
from orchestrator.publishing.registry import connection
from orchestrator.publishing.registry.credentials import Credentials
from orchestrator.publishing.registry.repository import Repository

SECRET = "hunter2"
CHALLENGE = {"WWW-Authenticate": 'Basic realm="x"'}
PLAIN = ("http://registry.example.org/x", "http://127.0.0.1:9/x", "http://169.254.169.254/latest")


class Wire:
    """In place of HTTP: what was sent, and one answer for each method once we have said who we are."""

    def __init__(self, **answers: tuple[int, Mapping[str, str]]) -> None:
        self.answers, self.sent = answers, list[tuple[str, str]]()

    @contextmanager
    def exchange(
        self, method: str, address: str, headers: Mapping[str, str], body: object = None, *, named: bool
    ) -> Iterator[Answered]:
        self.sent.append((method, address))
        known = "Authorization" in headers
        status, more = self.answers[method] if known else (401, CHALLENGE)
        yield Answered(status, more, iter((b'{"manifests": []}',)))


def repository(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.setattr(connection, "credentials_for", lambda host, of: Credentials("me", SECRET))
    monkeypatch.setattr(wire, "stop", None, raising=False)
    where = parse("oci://registry.example.org/some/app")
    assert isinstance(where, Registry)
    return Repository(where, wire, push=True)  # type: ignore[arg-type]


@pytest.mark.parametrize("to", PLAIN)
def test_nothing_goes_over_http_where_https_was_meant(to: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = Sha256.of(b"x")
    for wire, ask in (
        (Wire(HEAD=(404, {}), POST=(202, {"Location": to})), lambda r: r.put_blob(name, 1, lambda: iter(()))),
        (Wire(GET=(200, {"Link": f'<{to}>; rel="next"'})), lambda r: r.referrers(name, "x")),
        (Wire(GET=(307, {"Location": to})), lambda r: r.manifest("x")),
        (Wire(GET=(200, {})), lambda r: r.manifest("x")),
    ):
        if wire.answers.get("GET") == (200, {}):
            monkeypatch.setitem(CHALLENGE, "WWW-Authenticate", f'Bearer realm="{to}"')
        with pytest.raises(TallyError, match=r"which is not followed|which has no TLS"):
            ask(repository(wire, monkeypatch))
        assert all(address.startswith("https://registry.example.org/") for _, address in wire.sent)


@pytest.mark.parametrize("to", ["https://[", "//[x]/", "https://h:99999/", "https://evil\x1b[31m/"])
def test_what_is_no_address_is_told_as_that(to: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for wire in (Wire(GET=(307, {"Location": to})), Wire(GET=(200, {"Link": f'<{to}>; rel="next"'}))):
        with pytest.raises(TallyError, match="which is no address") as told:
            repository(wire, monkeypatch).referrers(Sha256.of(b"x"), "x")
        assert told.value.message.isprintable()


def test_tokens_from_what_is_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CHALLENGE, "WWW-Authenticate", 'Bearer realm="https://["')
    with pytest.raises(TallyError, match="which is no address"):
        repository(Wire(GET=(200, {})), monkeypatch).manifest("x")


@pytest.mark.parametrize("to", ["http://registry.example.org/x", "http://192.0.2.1/latest"])
def test_one_without_tls_sends_nobody_to_others_without(to: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire(GET=(307, {"Location": to}))
    monkeypatch.setattr(connection, "credentials_for", lambda host, of: Credentials("me", SECRET))
    monkeypatch.setattr(wire, "stop", None, raising=False)
    where = parse("oci://127.0.0.1:5000/some/app")
    assert isinstance(where, Registry)
    with pytest.raises(TallyError, match="which is not followed"):
        Repository(where, wire).manifest("x")  # type: ignore[arg-type]
    assert all(address.startswith("http://127.0.0.1:5000/") for _, address in wire.sent)
