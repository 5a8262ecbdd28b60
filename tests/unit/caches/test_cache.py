"""Bad caches, each a real server on loopback: nothing comes through, and errors name path and cache."""

from __future__ import annotations

import functools
import lzma
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
from caches import COMPRESSIONS, Binary, SigningKey, nar_of
from loopback import IN_ITS_BODY, IN_ITS_HEADERS, Answer, Asked, Server, dripping, saying
from releases import store_path
from self_signed import self_signed

from orchestrator.caches.believed import CachesDisagree
from orchestrator.caches.cache import MANNERS, Caches
from orchestrator.caches.memory import Memory
from orchestrator.ground.answers import Manners
from orchestrator.ground.digest import NarHash
from orchestrator.ground.download import Downloader
from orchestrator.ground.errors import TallyError

KEY = SigningKey("ours-1")
PATH, OTHER = store_path("library-1.0"), store_path("another-1.0")
NAR = nar_of(b"the library\n" * 2000)
INFO, FILE = f"/{PATH[11:43]}.narinfo", f"/nar/{PATH[11:43]}.nar.xz"
QUICK = Manners(answer=1.0, grace=0.3, pace=1024, downgrade=False)


def asking(*addresses: str, manners: Manners = MANNERS) -> Caches:
    return Caches(addresses, (KEY.public,), Downloader(4, manners))


def taken(*addresses: str) -> bytes:
    """The NAR of the path, as a run takes it."""
    caches = asking(*addresses)
    caches.check()
    return b"".join(caches.nar(caches.offers([PATH])[PATH]))


def binary(compression: str = "xz", key: SigningKey = KEY, **changes: object) -> Binary:
    found = Binary(key)
    found.add(PATH, NAR, [OTHER], compression, **changes)
    return found


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_what_is_whole_is_taken(compression: str, tmp_path: Path) -> None:
    of = binary(compression)
    with of.served() as server:
        assert taken(server.address) == NAR
        assert taken(of.into(tmp_path), server.address) == NAR
        offers = asking(server.address).offers([PATH, OTHER])
    assert list(offers) == [PATH]
    assert offers[PATH].believed.cache == server.address


def _bad(change: Callable[[Binary], None]) -> Callable[[], Binary]:
    def made() -> Binary:
        found = binary()
        change(found)
        return found

    return made


def _other_bytes(of: Binary) -> None:
    other = Binary(KEY)
    other.add(PATH, NAR.replace(b"library", b"LIBRARY"), [OTHER], "xz")
    of.files[FILE[1:]] = other.files[FILE[1:]]


def _of_another(of: Binary) -> None:
    of.add(OTHER, NAR)
    of.files[INFO[1:]] = of.files[f"{OTHER[11:43]}.narinfo"]


@functools.cache
def _zeros() -> bytes:
    return lzma.compress(bytes(1 << 26), preset=0)  # as small as by any other preset


def _bomb(of: Binary) -> None:
    of.files[FILE[1:]] = _zeros()


def _liar(of: Binary) -> None:
    _bomb(of)
    of.files[INFO[1:]] = binary(FileSize=1 << 40).files[INFO[1:]]


BAD: dict[str, tuple[Callable[[], Binary], str]] = {
    "unsigned": (lambda: binary(Sig=None), "nobody signed it there"),
    "wrong key": (lambda: binary(key=SigningKey("theirs-1")), "it is signed by theirs-1"),
    "another with the key's name": (lambda: binary(key=SigningKey("ours-1")), "is not one over what"),
    "right signature over other bytes": (_bad(_other_bytes), f"and {NarHash.of(NAR)} was signed"),
    "another path's narinfo": (_bad(_of_another), "is that of another path"),
    "truncated": (_bad(lambda of: of.files.update({FILE[1:]: of.files[FILE[1:]][:-30]})), "it ends after"),
    "empty": (_bad(lambda of: of.files.update({FILE[1:]: b""})), "it ends after 0 bytes"),
    "compressed garbage": (
        _bad(lambda of: of.files.update({FILE[1:]: b"garbage" * 20})),
        "it is not xz as it says",
    ),
    "more than was signed": (_bad(_bomb), "it is larger than"),
    "a bomb": (
        _bad(_liar),
        f"it holds more than the {len(NAR)} bytes that were signed",
    ),
    "a narinfo without end": (_bad(lambda of: of.files.update({INFO[1:]: b"a" * (2 << 20)})), "larger than"),
    "404 after the narinfo": (_bad(lambda of: of.files.__delitem__(FILE[1:])), "it has the narinfo and not"),
    "a compression of nobody's": (lambda: binary(Compression="br"), "its compression is 'br'"),
    "a URL elsewhere": (lambda: binary(URL="http://127.0.0.1/x"), "leads out of the cache"),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_cache_is_told_by_path_and_cache(bad: str, tmp_path: Path) -> None:
    make, said = BAD[bad]
    of = make()
    with of.served() as server:
        for address in (server.address, of.into(tmp_path)):
            with pytest.raises(TallyError) as error:
                taken(address)
            assert error.value.message.startswith(f"{PATH} cannot be taken from the cache {address}: ")
            assert said in error.value.message
            if bad in ("truncated", "compressed garbage", "right signature over other bytes"):
                assert "damaged there" in str(error.value.hint)


def test_what_follows_from_its_content_is_no_offer_of_a_strangers() -> None:
    """Whoever publishes sources signs them by a key of theirs; their digests are known without it."""
    content = "fixed:r:sha256:0c5b8vw40d1178xlpddw65q9gf1h2186jcc3p4swinwggbllv8mk"
    theirs, ours = binary(key=SigningKey("theirs-1"), CA=content), binary(CA=content)
    with theirs.served() as one, ours.served() as two:
        assert asking(one.address).offers([PATH]) == {}
        assert list(asking(one.address, two.address).offers([PATH])) == [PATH]


def test_two_caches_that_differ_are_a_no_by_name() -> None:
    other = Binary(KEY)
    other.add(PATH, nar_of(b"other bytes"), [OTHER])
    with binary().served() as one, other.served() as two:
        with pytest.raises(CachesDisagree) as error:
            taken(one.address, two.address)
        assert all(name in error.value.message for name in (PATH, one.address, two.address))


def test_a_redirection_is_followed_and_a_loop_is_not() -> None:
    with binary().served() as server:
        server.faults[FILE] = lambda _: Answer(b"", 302, location="/elsewhere")
        server.routes["/elsewhere"] = server.routes[FILE]
        assert taken(server.address) == NAR
        server.routes["/elsewhere"] = server.faults[FILE]
        with pytest.raises(TallyError, match="too many redirects") as error:
            taken(server.address)
        assert server.address in error.value.message
        assert PATH in error.value.message


def test_credentials_that_a_redirection_has_are_never_told() -> None:
    with binary().served() as server:
        server.faults[FILE] = lambda _: Answer(
            b"", 302, location="http://me:hunter2@127.0.0.1:1/x?token=s3cret"
        )
        with pytest.raises(TallyError) as error:
            taken(server.address)
    told = f"{error.value.message} {error.value.hint}"
    assert PATH in told
    assert "hunter2" not in told
    assert "s3cret" not in told


@contextmanager
def over_tls(of: Server, certificates: Path) -> Iterator[str]:
    """A server that says over https what another says over http."""
    from http.server import ThreadingHTTPServer
    from threading import Thread

    server = ThreadingHTTPServer(("127.0.0.1", 0), of._handler())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_https_is_not_left_for_http(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificates = tmp_path / "certificate.pem"
    certificates.write_bytes(self_signed())
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates))
    with binary().served() as server, over_tls(server, certificates) as address:
        assert taken(address) == NAR
        server.faults[FILE] = lambda _: Answer(b"", 302, location=f"{server.address}/elsewhere")
        server.asked.clear()
        with pytest.raises(TallyError, match="it redirects from https to http") as error:
            taken(address)
        assert address in error.value.message
        assert "/elsewhere" not in server.asked


@pytest.mark.parametrize("where", [IN_ITS_HEADERS, IN_ITS_BODY])
def test_a_slow_cache_is_left(where: bytes) -> None:
    with binary().served() as server, dripping(where) as slow:
        server.faults[FILE] = lambda _: Answer(b"", 302, location=f"{slow}/x")
        offer = asking(server.address).offers([PATH])[PATH]
        with pytest.raises(TallyError, match=r"too slowly|takes too long") as error:
            list(asking(server.address, manners=QUICK).nar(offer))
        assert PATH in error.value.message


@pytest.mark.parametrize("said", [None, b"StoreDir: /gnu/store\n"])
def test_what_is_no_cache_of_ours_is_told_before_anything_is_asked(said: bytes | None) -> None:
    with binary().served() as server:
        server.faults["/nix-cache-info"] = saying(said or b"", 200 if said else 404)
        with pytest.raises(TallyError, match=r"is no binary cache|one of another store") as error:
            taken(server.address)
        assert server.address in error.value.message
        assert server.asked == ["/nix-cache-info"]


def kept(caches: Caches) -> None:
    assert caches.memory is not None
    caches.memory.keep()


def test_what_a_cache_said_counts_where_it_does_not_answer(tmp_path: Path) -> None:
    absent = store_path("absent")

    def remembering(address: str, key: SigningKey = KEY) -> Caches:
        return Caches((address,), (key.public,), Downloader(4, QUICK), Memory(tmp_path))

    with binary().served() as server:
        first = remembering(server.address)
        assert first.check() == {}
        offers = first.offers([PATH, absent])
        assert list(offers) == [PATH]
        kept(first)
        [file] = tmp_path.iterdir()
    again = remembering(server.address)
    assert list(again.check()) == [server.address]
    assert again.offers([PATH, absent]) == offers, "what it had and what it had not"
    with pytest.raises(TallyError, match="does not answer, and was never asked for it") as error:
        again.offers([store_path("another")])
    assert server.address in error.value.message
    with pytest.raises(TallyError, match=r"nar.*: "):
        list(again.nar(offers[PATH]))
    # what lies there is believed no more than what is served
    other = remembering(server.address, SigningKey("ours-1"))
    other.check()
    with pytest.raises(TallyError, match="not one over what the narinfo says"):
        other.offers([PATH])
    for broken in (b"", b"[]", b"{", b'{"x": 1}', b"\xff"):
        file.write_bytes(broken)
        with pytest.raises(TallyError, match="is no binary cache, or does not answer"):
            remembering(server.address).check()
    with binary().served() as elsewhere:
        elsewhere.faults["/nix-cache-info"] = saying(b"", 404)
        told = remembering(elsewhere.address)
        told.offers([PATH])
        kept(told)
        with pytest.raises(TallyError, match="is no binary cache"):  # it answers, and is none
            told.check()


def test_whoever_waits_for_a_cache_is_told_for_which_once() -> None:
    """The cache answers once somebody was told."""
    told, said = Event(), list[str]()

    def tell(text: str) -> None:
        said.append(text)
        told.set()

    with binary().served() as server:
        answers = server.routes[INFO]

        def late(asked: Asked) -> Answer:
            assert told.wait(60)
            return answers(asked)

        caches = asking(server.address, manners=replace(MANNERS, patience=0.0))
        caches.tell(tell)
        server.faults[INFO] = late
        assert PATH in caches.offers([PATH])
        assert PATH in caches.offers([PATH])
        host = server.address.removeprefix("http://")
    assert said == [f"waiting for {host}, which was asked for inputs"]
