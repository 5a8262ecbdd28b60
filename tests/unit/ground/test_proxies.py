"""Downloads through a proxy: a real one on loopback, one that is dead, and the ways to write its address."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator

import pytest
from loopback import Answer, Asked, Server

from orchestrator.ground.addresses import without_credentials
from orchestrator.ground.download import Downloader
from orchestrator.ground.proxies import Proxy, proxy_for
from orchestrator.ground.unreachable import Absent, Unreachable

FAR = "http://archive.invalid/file"
"""A host that only a proxy could know."""


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name.upper()}_PROXY", raising=False)


@pytest.fixture
def asked() -> list[Asked]:
    return []


@pytest.fixture
def proxy(asked: list[Asked]) -> Iterator[Server]:
    def answer(request: Asked) -> Answer:
        asked.append(request)
        return Answer(b"far", kind="application/gzip")

    with Server({"/file": answer}).running() as server:
        yield server


def read(address: str) -> bytes:
    return b"".join(Downloader().read(address))


@pytest.mark.parametrize("variable", ["http_proxy", "all_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("scheme", ["", "//", "http://"])
def test_an_address_with_and_without_a_scheme(
    proxy: Server, monkeypatch: pytest.MonkeyPatch, variable: str, scheme: str
) -> None:
    monkeypatch.setenv(variable, scheme + proxy.address.removeprefix("http://") + "/")
    assert read(FAR) == b"far"


def test_a_user_name_and_password_reach_the_proxy_alone(
    proxy: Server, monkeypatch: pytest.MonkeyPatch, asked: list[Asked]
) -> None:
    monkeypatch.setenv("http_proxy", proxy.address.replace("//", "//me:s%40cret@"))
    assert read(FAR) == b"far"
    sent = {name.lower(): value for name, value in asked[0].headers.items()}
    assert sent["proxy-authorization"] == f"Basic {b64encode(b'me:s@cret').decode()}"
    with pytest.raises(Absent) as caught:
        read("http://archive.invalid/absent")
    said = str(caught.value)
    assert said.startswith("HTTP status 404") and f"by way of the proxy {proxy.address} (http_proxy)" in said
    assert "cret" not in said


@pytest.mark.parametrize(
    "password", ["s3cr/et", "s3cr#et", "s3cr?et", "12/s3cret", "[s3cret", "a@s3cret", "s3cr%et"]
)
@pytest.mark.parametrize("scheme", ["", "http://"])
def test_a_password_that_should_have_been_encoded_reaches_the_proxy_alone(
    proxy: Server, monkeypatch: pytest.MonkeyPatch, asked: list[Asked], scheme: str, password: str
) -> None:
    monkeypatch.setenv("http_proxy", f"{scheme}me:{password}@{proxy.address.removeprefix('http://')}")
    assert read(FAR) == b"far"
    sent = {name.lower(): value for name, value in asked[0].headers.items()}
    assert sent["proxy-authorization"] == f"Basic {b64encode(f'me:{password}'.encode()).decode()}"
    monkeypatch.setenv("http_proxy", f"{scheme}me:{password}@127.0.0.1:1")
    with pytest.raises(
        Unreachable, match=r"^the proxy http://127\.0\.0\.1:1 \(http_proxy\) does not"
    ) as caught:
        read(FAR)
    assert "cret" not in str(caught.value) and "s3cr" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "http://me:s3cret@127.0.0.1:99999", "http://[me:s3cret@127.0.0.1:x", "http://me:s3cret", "me:s3cret",
        "http://me:s3cret@", "http://me:s3cret@[127.0.0.1", "me:s3cret@a b", "://me:s3cret@", "http:///s3cret",
        "http://a\ns3cret@b\n:1",
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_not_shown(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("http_proxy", address)
    for ask in (read, lambda far: Downloader().ask(far, b"{}", "application/json")):
        with pytest.raises(Unreachable) as caught:
            ask(FAR)
        assert str(caught.value).startswith(
            "the proxy in http_proxy cannot be used: it is no address such as"
        )
    assert "s3cret" not in repr(proxy_for("http", "a.example"))


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_dead_proxy_is_named_once_and_not_the_host_behind_it(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("all_proxy", "me:secret@127.0.0.1:1")
    downloader = Downloader()
    for host in ("one.invalid", "two.invalid"):
        with pytest.raises(Unreachable) as caught:
            b"".join(downloader.read(f"{scheme}://{host}/file"))
        said = str(caught.value)
        assert said.startswith("the proxy http://127.0.0.1:1 (all_proxy) does not answer")
        assert "refused" in said and host not in said and "secret" not in said
    assert said.endswith("(asked once)")
    with pytest.raises(Unreachable, match=r"the proxy http://127\.0\.0\.1:1 "):
        downloader.ask(f"{scheme}://one.invalid/", b"{}", "application/json")


def test_a_proxy_of_another_kind_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1")
    with pytest.raises(Unreachable, match=r"socks5://127\.0\.0\.1:1 \(http_proxy\) cannot be used"):
        read(FAR)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://me:s3cret@a.example/x@y?z", "https://a.example/x@y?z"),
        ("https://me:s3cr/et@a.example/x", "https://a.example/x"),
        ("https://me:s3cret@[a.example/x", "https://[a.example/x"),
        ("https://me:s3cret@a.example:99999/x", "https://a.example:99999/x"),
        ("https://a.example/@scope/x", "https://a.example/@scope/x"),
    ],
)
def test_addresses_without_credentials(address: str, shown: str) -> None:
    assert without_credentials(address) == shown
    if "s3cret" in address:
        with pytest.raises(Unreachable) as caught:
            read(address)
        assert "s3cret" not in str(caught.value)


def test_which_proxy_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert proxy_for("https", "a.example") is None
    monkeypatch.setenv("ALL_PROXY", "all.example:1")
    monkeypatch.setenv("https_proxy", "tls.example:2")
    monkeypatch.setenv("no_proxy", "near.example")
    assert proxy_for("https", "a.example") == Proxy("http://tls.example:2", "https_proxy")
    assert proxy_for("http", "a.example") == Proxy("http://all.example:1", "ALL_PROXY")
    assert proxy_for("https", "me@near.example:443") is None
