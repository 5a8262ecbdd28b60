"""A log and an authority by address: what they answer is checked, and what passes by is tried again."""

from __future__ import annotations

import json
import socket
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from authorities import Tsa
from loopback import IN_ITS_BODY, IN_ITS_HEADERS, Answer, Asked, Route, Server, dripping, saying
from rekors import Rekor2
from services import ENTRIES, TIMESTAMP, RekorServer, Services

from orchestrator.bundles import timestamps
from orchestrator.ground import download, pools
from orchestrator.ground.download import Downloader
from orchestrator.ground.errors import TallyError
from orchestrator.ground.unreachable import Unreachable
from orchestrator.keys.key import SigningKey
from orchestrator.keys.kinds import Kind
from orchestrator.log.entry import Signed
from orchestrator.log.trusted_root import Authority, TrustedRoot, Window
from orchestrator.signing import bundling, rekor, timestamping
from orchestrator.signing.rekor import RekorLog
from orchestrator.signing.timestamping import TimestampAuthority
from orchestrator.signing.witnesses import Taken, Witnesses

NOW = datetime.now(UTC)


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    with Services.running(tmp_path) as found:
        yield found


def signed(key: SigningKey | None = None) -> Signed:
    key = key or SigningKey.generate()
    return bundling.sign(b"{}", key).signed(key.public)


def refused(attempt: Callable[[], object]) -> TallyError:
    with pytest.raises(TallyError) as caught:
        attempt()
    assert caught.value.hint, caught.value.message
    return caught.value


def rekor_says(services: Services, *routes: Route) -> None:
    """The first answers; what comes after is the log's own."""
    _say(services.rekor_server.server, ENTRIES, services.rekor_server.enter, routes)


def tsa_says(services: Services, *routes: Route) -> None:
    _say(services.tsa_server.server, TIMESTAMP, services.tsa_server.stamp, routes)


def _say(server: Server, path: str, own: Route, routes: tuple[Route, ...]) -> None:
    left = list(routes)

    def next_one(asked: Asked) -> Answer:
        return (left.pop(0) if left else own)(asked)

    server.faults[path] = next_one


class TestLog:
    def test_what_was_signed_is_entered_and_proven(self, services: Services) -> None:
        what = [signed() for _ in range(3)]
        entries = services.log.enter(what)
        assert [each.body for each in entries] == [each.body() for each in what]
        assert len({each.index for each in entries}) == 3

    def test_a_check_enters_nothing(self, services: Services) -> None:
        before = len(services.rekor.leaves.bodies)
        services.log.check()
        assert len(services.rekor.leaves.bodies) == before

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (saying(b"<h1>hello</h1>"), "does not answer as a Rekor v2 log does"),
            (saying(b"", 404), "HTTP 404: nothing"),
            (saying(b"", 301), "HTTP 301"),
            (saying(b"", 502), "HTTP 502"),
            (saying(b"This log has been frozen", 405), "it takes no entries any more"),
        ],
    )
    def test_a_check_finds_what_is_no_log(self, services: Services, answer: Route, said: str) -> None:
        rekor_says(services, answer)
        assert said in refused(services.log.check).message

    def test_a_check_sees_whose_log_it_is_where_that_shows_its_head(self, services: Services) -> None:
        routes = services.rekor_server.server.routes
        for harmless in (saying(services.rekor.head().encode()), saying(b"<h1>hello</h1>"), saying(b"\xff")):
            routes["/api/v2/checkpoint"] = harmless
            services.log.check()
        routes["/api/v2/checkpoint"] = saying(Rekor2("127.0.0.1").head().encode())
        error = refused(services.log.check)
        assert "no key that the trusted root has signed the head of http://127.0.0.1" in error.message

    def test_nobody_is_there(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"http://127.0.0.1:{free.getsockname()[1]}"
        log = RekorLog(address, (Rekor2("127.0.0.1").log,), delays=(0.01,))
        assert "does not answer" in refused(log.check).message
        assert address in refused(lambda: log.enter([signed()])).message

    @pytest.mark.parametrize("status", [429, 500, 502, 503])
    def test_what_passes_by_is_tried_again(self, services: Services, status: int) -> None:
        rekor_says(services, saying(b"busy", status), saying(b"busy", status))
        (entry,) = services.log.enter([what := signed()])
        assert entry.body == what.body()
        assert services.rekor_server.server.asked == [ENTRIES] * 3

    def test_but_not_for_ever(self, services: Services) -> None:
        rekor_says(services, *[saying(b"busy", 503)] * 9)
        assert "HTTP 503: busy" in refused(lambda: services.log.enter([signed()])).message
        assert len(services.rekor_server.server.asked) == 3

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 302])
    def test_what_is_refused_is_not_tried_again(self, services: Services, status: int) -> None:
        rekor_says(services, *[saying(b"no", status)] * 9)
        assert f"HTTP {status}: no" in refused(lambda: services.log.enter([signed()])).message
        assert len(services.rekor_server.server.asked) == 1

    def test_an_answer_that_was_lost(self, services: Services) -> None:
        """The log took the entry, and the same one is a duplicate: another signature is another entry."""

        def lost(asked: Asked) -> Answer:
            services.rekor_server.enter(asked)
            return Answer(b"gateway", 504)

        rekor_says(services, lost)
        with pytest.raises(Taken):
            services.log.enter([signed()])
        rekor_says(services, lost)
        key = SigningKey.generate()
        (made,) = bundling.witnessed([b"{}"], key, Witnesses(services.log, services.clock))
        (entry,) = made.entries
        assert entry.body == made.signed(key.public).body()

    def test_a_log_that_has_everything_already(self, services: Services) -> None:
        rekor_says(services, *[saying(b"duplicate", 409)] * 99)
        witnesses = Witnesses(services.log)
        error = refused(lambda: bundling.witnessed([b"{}"], SigningKey.generate(), witnesses))
        assert "again and again" in error.message

    def test_a_log_that_hangs(self, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pools, "READ_TIMEOUT", 0.2)
        with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and says nothing
            log = replace(services.log, address=f"http://127.0.0.1:{silent.getsockname()[1]}")
            assert "does not answer: Read timed out" in refused(log.check).message

    @pytest.mark.parametrize("beginning", [IN_ITS_HEADERS, IN_ITS_BODY], ids=["headers", "body"])
    @pytest.mark.parametrize("limit", ["_ANSWER_TIMEOUT", "PAGE_TIMEOUT"])
    def test_a_server_that_drips(self, monkeypatch: pytest.MonkeyPatch, beginning: bytes, limit: str) -> None:
        monkeypatch.setattr(download, limit, 0.2)
        asked = Downloader()
        ask = asked.page if limit == "PAGE_TIMEOUT" else partial(asked.ask, body=b"", kind="text/plain")
        with dripping(beginning) as address, pytest.raises(Unreachable, match="takes too long"):
            ask(address)

    def test_a_log_that_drips(self, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(download, "_ANSWER_TIMEOUT", 0.3)
        with dripping(IN_ITS_HEADERS) as address:
            assert "takes too long" in refused(replace(services.log, address=address).check).message

    def test_a_log_that_talks_without_end(self, services: Services) -> None:
        rekor_says(services, saying(b"x" * (2 << 20)))
        assert "too large" in refused(services.log.check).message

    def test_a_key_that_no_log_takes(self, services: Services) -> None:
        key = SigningKey.generate(Kind.ED25519)
        assert "takes no signatures" in refused(lambda: services.log.enter([signed(key)])).message


Document = dict[str, Any]
"""An entry as the log answers it."""


def _change(*path: str, to: Any) -> Callable[[Document, Services], Document]:
    def change(document: Document, services: Services) -> Document:
        part = document
        for step in path[:-1]:
            part = part[step]
        part[path[-1]] = to(part.get(path[-1])) if callable(to) else to
        return document

    return change


def _flipped(text: str) -> str:
    data = bytearray(b64decode(text))
    data[0] ^= 1
    return b64encode(bytes(data)).decode()


def _of_another_signature(document: Document, services: Services) -> Document:
    entered = json.loads(services.rekor_server.enter(Asked("", {}, {}, signed().request())).body)
    assert isinstance(entered, dict)
    return entered


def _of_another_log(document: Document, services: Services) -> Document:
    """By a log of the same name with another key, which claims to be this one."""
    other = Rekor2(host="127.0.0.1").of_body(
        "hashedrekord", "0.0.2", b64decode(document["canonicalizedBody"])
    )
    return {**other, "logId": document["logId"]}


def _of_an_unknown_log(document: Document, services: Services) -> Document:
    return Rekor2(host="127.0.0.1").of_body("hashedrekord", "0.0.2", b64decode(document["canonicalizedBody"]))


ODD_ENTRIES: dict[str, Callable[[Document, Services], Document]] = {
    "nothing": lambda document, services: {},
    "an entry of another signature": _of_another_signature,
    "an entry of an unknown log": _of_an_unknown_log,
    "an entry of another log by this one's name": _of_another_log,
    "another body": _change("canonicalizedBody", to=_flipped),
    "a body with a blank more": _change(
        "canonicalizedBody", to=lambda text: b64encode(b64decode(text) + b" ").decode()
    ),
    "no body": _change("canonicalizedBody", to=None),
    "another index": _change("logIndex", to="0"),
    "another index, twice": lambda document, services: _change("inclusionProof", "logIndex", to="0")(
        {**document, "logIndex": "0"}, services
    ),
    "a negative index": _change("logIndex", to="-1"),
    "another root": _change("inclusionProof", "rootHash", to=_flipped),
    "another size": _change("inclusionProof", "treeSize", to="3"),
    "a hash less": _change("inclusionProof", "hashes", to=lambda hashes: hashes[1:]),
    "a hash more": _change("inclusionProof", "hashes", to=lambda hashes: [*hashes, hashes[0]]),
    "no proof": _change("inclusionProof", to=None),
    "an unsigned checkpoint": _change(
        "inclusionProof", "checkpoint", "envelope", to=lambda text: text.partition("\n\n")[0] + "\n\n"
    ),
    "a checkpoint of another origin": _change(
        "inclusionProof", "checkpoint", "envelope", to=lambda text: "x" + text
    ),
    "a checkpoint of a tree with a number": _change(
        "inclusionProof", "checkpoint", "envelope", to=lambda text: text.replace("\n", " - 1\n", 1)
    ),
    "another kind": _change("kindVersion", "kind", to="dsse"),
    "another version": _change("kindVersion", "version", to="0.0.1"),
    "a promise": _change("inclusionPromise", to={"signedEntryTimestamp": "AAAA"}),
    "a time": _change("integratedTime", to="1700000000"),
    "something unknown": _change("more", to=1),
}


@pytest.mark.parametrize("odd", ODD_ENTRIES)
def test_an_odd_entry_is_never_signed_with(services: Services, odd: str) -> None:
    def answer(asked: Asked) -> Answer:
        document = json.loads(services.rekor_server.enter(asked).body)
        changed = ODD_ENTRIES[odd](json.loads(json.dumps(document)), services)
        assert changed != document
        return Answer.of(changed, 201)

    rekor_says(services, answer)
    error = refused(lambda: services.log.enter([signed()]))
    assert "log" in error.message
    assert error.hint == rekor._ODD
    assert len(services.rekor_server.server.asked) == 1, "it is not asked again"


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"[]", b"null", b'{"logIndex": "1", "logIndex": "2"}', b"[" * 9999]
)
def test_an_answer_that_is_none(services: Services, body: bytes) -> None:
    rekor_says(services, saying(body, 201))
    assert refused(lambda: services.log.enter([signed()])).hint == rekor._ODD


def test_protobufs_other_spellings_are_the_same(services: Services) -> None:
    def snakes(asked: Asked) -> Answer:
        document = json.loads(services.rekor_server.enter(asked).body)
        document["log_index"] = int(document.pop("logIndex"))
        return Answer.of({**document, "integratedTime": "0", "inclusionPromise": None})

    rekor_says(services, snakes)
    (entry,) = services.log.enter([what := signed()])
    assert entry.body == what.body()


class TestAuthority:
    def test_a_signature_is_stamped(self, services: Services) -> None:
        services.clock.check()
        response = services.clock.stamp(b"a signature")
        (moment,) = timestamps.verify([response], b"a signature", (services.tsa.authority,), "it")
        assert abs(moment.time - datetime.now(UTC)) < timedelta(minutes=1)

    @pytest.mark.parametrize("status", [429, 500, 503])
    def test_what_passes_by_is_tried_again(self, services: Services, status: int) -> None:
        tsa_says(services, saying(b"busy", status), saying(b"busy", status))
        assert services.clock.stamp(b"x")

    def test_but_not_for_ever(self, services: Services) -> None:
        tsa_says(services, *[saying(b"busy", 503)] * 9)
        assert "HTTP 503: busy" in refused(lambda: services.clock.stamp(b"x")).message
        assert len(services.tsa_server.server.asked) == 3

    @pytest.mark.parametrize("status", [400, 401, 404, 405, 302, 201])
    def test_what_is_refused_is_not_tried_again(self, services: Services, status: int) -> None:
        tsa_says(services, *[saying(b"no", status)] * 9)
        assert f"HTTP {status}: no" in refused(lambda: services.clock.stamp(b"x")).message
        assert len(services.tsa_server.server.asked) == 1

    def test_nobody_is_there(self, services: Services) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"http://127.0.0.1:{free.getsockname()[1]}/tsa"
        clock = replace(services.clock, address=address)
        assert "does not answer" in refused(clock.check).message

    def test_a_clock_that_is_wrong(self, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(timestamping, "_APART", timedelta(seconds=-1))
        error = refused(services.clock.check)
        assert "says that it is" in error.message

    def test_the_answer_to_another_request(self, services: Services) -> None:
        """About the same signature, by the authority, and so all of it holds: but it is an old one."""
        old: list[Answer] = []

        def again(asked: Asked) -> Answer:
            old.append(services.tsa_server.stamp(asked))
            return old[0]

        tsa_says(services, *[again] * 9)
        assert services.clock.stamp(b"x")
        assert "its nonce differs" in refused(lambda: services.clock.stamp(b"x")).message


def _stamped(of: Callable[[Services, Asked], bytes]) -> Callable[[Services], Route]:
    return lambda services: lambda asked: Answer(of(services, asked), kind="application/timestamp-reply")


def _bit(position: int) -> Callable[[Services, Asked], bytes]:
    def flipped(services: Services, asked: Asked) -> bytes:
        data = bytearray(services.tsa.reply(asked.body))
        data[position] ^= 1
        return bytes(data)

    return flipped


def _by_another(services: Services, asked: Asked) -> bytes:
    return Tsa(services.folder / "other").reply(asked.body)


def _for_something_else(services: Services, asked: Asked) -> bytes:
    from cryptography.x509.oid import ExtendedKeyUsageOID

    services.tsa = Tsa(services.folder / "other", purpose=ExtendedKeyUsageOID.CODE_SIGNING)
    return services.tsa.reply(asked.body)


ODD_STAMPS: dict[str, Callable[[Services], Route]] = {
    "nothing": lambda services: saying(b""),
    "a page": lambda services: saying(b"<h1>hello</h1>"),
    "about something else": _stamped(lambda services, asked: services.tsa.stamp(b"another signature")),
    "by another authority": _stamped(_by_another),
    "a rejection": _stamped(lambda services, asked: bytes.fromhex("30053003020102")),
    "a rejection with a token": _stamped(
        lambda services, asked: services.tsa.reply(asked.body).replace(
            bytes.fromhex("3003020100"), bytes.fromhex("3003020102"), 1
        )
    ),
    "cut short": _stamped(lambda services, asked: services.tsa.reply(asked.body)[:-9]),
    "with more behind it": _stamped(lambda services, asked: services.tsa.reply(asked.body) + b"more"),
    "a bit of the signature": _stamped(_bit(-1)),
    "a bit of the start": _stamped(_bit(1)),
    "a bit of the middle": _stamped(_bit(90)),
    "the request itself": lambda services: lambda asked: Answer(asked.body),
}


@pytest.mark.parametrize("odd", ODD_STAMPS)
def test_an_odd_timestamp_is_never_signed_with(services: Services, odd: str) -> None:
    tsa_says(services, ODD_STAMPS[odd](services))
    error = refused(lambda: services.clock.stamp(b"a signature"))
    assert services.timestamp_address in error.message
    assert error.hint == timestamping._ODD
    assert len(services.tsa_server.server.asked) == 1


class TestRoots:
    """Which of a root's logs and authorities is meant by an address."""

    def test_the_log_at_the_address(self, services: Services) -> None:
        here = replace(services.rekor.log, base_url=services.log_address)
        other = replace(Rekor2("127.0.0.1").log, base_url="http://127.0.0.1:1")
        root = TrustedRoot(tlogs=(other, here))
        assert RekorLog.of(f"{services.log_address}/", root, NOW).instances == (here,)

    def test_else_those_of_its_host(self, services: Services) -> None:
        other = Rekor2("127.0.0.1").log
        root = TrustedRoot(tlogs=(other, services.rekor.log, Rekor2("elsewhere.example.org").log))
        log = RekorLog.of(services.log_address, root, NOW)
        assert log.instances == (other, services.rekor.log)
        (entry,) = log.enter([signed()])
        assert entry.log_id == services.rekor.log.log_id

    @pytest.mark.parametrize(
        "root",
        [
            TrustedRoot(),
            TrustedRoot(tlogs=(Rekor2("elsewhere.example.org").log,)),
            TrustedRoot(tlogs=(Rekor2("127.0.0.1", window=Window(None, NOW - timedelta(days=1))).log,)),
        ],
        ids=["empty", "of another log", "of a log whose key has ended"],
    )
    def test_a_root_without_the_log(self, root: TrustedRoot) -> None:
        error = refused(lambda: RekorLog.of("http://127.0.0.1:1", root, NOW))
        assert "has no log at http://127.0.0.1:1" in error.message

    def test_authorities_are_often_without_an_address(self, services: Services) -> None:
        mine = services.tsa.authority
        for uri, found in (
            ("", [mine]),
            (services.timestamp_address, [replace(mine, uri=services.timestamp_address)]),
        ):
            named = [replace(mine, uri=uri)]
            root = TrustedRoot(timestamp_authorities=tuple(named))
            clock = TimestampAuthority.of(services.timestamp_address, root, NOW)
            assert [replace(each, uri=uri) for each in found] == list(clock.authorities)
            clock.check()

    def test_a_root_without_authorities(self, services: Services) -> None:
        ended = replace(services.tsa.authority, window=Window(None, NOW - timedelta(days=1)))
        for authorities in ((), (ended,)):
            chosen: tuple[Authority, ...] = authorities
            root = TrustedRoot(timestamp_authorities=chosen)
            error = refused(lambda root=root: TimestampAuthority.of(services.timestamp_address, root, NOW))
            assert "no authority valid now" in error.message

    def test_another_log_behind_the_address(self, services: Services) -> None:
        services.rekor_server.server.faults[ENTRIES] = RekorServer(Rekor2("127.0.0.1")).enter
        error = refused(lambda: services.log.enter([signed()]))
        assert error.hint == rekor._ODD
