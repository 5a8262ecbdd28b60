"""Fetching from a real web server on this machine: right bytes count, and nothing else ever does."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from orchestrator.ground.digest import NarHash, Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.nar import nar_hash
from orchestrator.ground.notice import NOTICE
from orchestrator.recipe.wanted import Wanted
from orchestrator.sources.folder import Sources
from orchestrator.sources.mirrors import Mirrors


@dataclass
class Server:
    """Answers with `files`; other paths do what their name says."""

    files: dict[str, bytes] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    address: str = ""


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            state.asked[self.path] += 1
            content = state.files.get(self.path)
            if self.path == "/moved":
                self.send_response(302)
                self.send_header("Location", "/good")
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif self.path == "/cut":
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(b"half")
                self.close_connection = True
            elif content is None:
                self.send_error(404)
            else:
                self.send_response(200)
                self.send_header("Content-Type", "text/odd")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.address = f"http://127.0.0.1:{made.server_port}"
    thread = threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield state
    made.shutdown()
    made.server_close()


@pytest.fixture
def sources(tmp_path: Path, server: Server) -> Sources:
    return Sources(tmp_path / "sources", Mirrors({"here": [server.address]}))


def _wanted(content: bytes, *urls: str, name: str = "file.tar.gz") -> Wanted:
    return Wanted(name, Sha256.of(content), urls)


def _visible(folder: Path) -> list[str]:
    """Every file that somebody looking at the folder would take for a source, and what is half-written."""
    return sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.name != ".lock"
    )


def test_a_file_is_where_its_digest_says(sources: Sources, server: Server) -> None:
    server.files["/good"] = b"right"
    place = sources.fetch(_wanted(b"right", "mirror://here/good"))
    assert place.read_bytes() == b"right"
    assert place == sources.folder / hashlib.sha256(b"right").hexdigest() / "file.tar.gz"
    sources.fetch(_wanted(b"right", "mirror://here/good"))
    assert server.asked["/good"] == 1


def test_wrong_bytes_show_both_digests_and_are_not_kept(sources: Sources, server: Server) -> None:
    server.files["/bad"] = b"wrong"
    with pytest.raises(TallyError) as caught:
        sources.fetch(_wanted(b"right", f"{server.address}/bad"))
    for content in (b"right", b"wrong"):
        assert hashlib.sha256(content).hexdigest() in caught.value.message
    assert _visible(sources.folder) == []


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\n<!DOCTYPE html>\n<title>Log in</title>", "; it is text/odd and begins: <!DOCTYPE html>"),
        ("\ufeff\u201csorry\u201d".encode() + b" " * 490 + "\u20ac".encode(), "begins: \u201csorry\u201d"),
        (b"version https://git-lfs", "begins: version https://git-lfs"),
        (b"", "; it is empty"),
        (b"\x1f\x8b\x08", None),
        (b"\x1b[2Jx", None),
    ],
)
def test_a_page_in_a_files_place_is_told(
    sources: Sources, server: Server, content: bytes, says: str | None
) -> None:
    server.files["/page"] = content
    with pytest.raises(TallyError) as caught:
        sources.fetch(_wanted(b"right", f"{server.address}/page"))
    assert says in caught.value.message if says else caught.value.message.endswith(Sha256.of(b"right").hex)


class TestADebianPackageThatLeftTheArchive:
    DEB = "mirror://debian/pool/main/h/hello/hello_2.10-3_amd64.deb"

    @pytest.fixture
    def archive(self, tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> Sources:
        monkeypatch.setattr(Mirrors, "_built_in", lambda self, name: ())
        return Sources(tmp_path / "sources", Mirrors({"debian": [f"{server.address}/debian"]}))

    def refused(self, sources: Sources, *wanted: Wanted) -> TallyError:
        with pytest.raises(TallyError) as caught:
            sources.fetch_all(wanted)
        return caught.value

    def test_the_hint_has_both_ways_out_and_the_recipes(self, archive: Sources) -> None:
        one = replace(_wanted(b"one", self.DEB), users=("hello",))
        two = replace(_wanted(b"two", f"{self.DEB}.deb"), users=("curl", "hello"))
        error = self.refused(archive, one, two)
        assert "HTTP status 404" in error.message
        assert error.hint is not None
        assert "`tally lock --update curl --update hello`" in error.hint
        assert "snapshot" in error.hint and '[mirrors], as debian = ["https://HOST/' in error.hint

    def test_a_file_of_a_source_package_is_no_package(self, archive: Sources) -> None:
        url = "mirror://debian/pool/main/h/hello/hello_2.10-3.debian.tar.xz"
        error = self.refused(archive, _wanted(b"one", url))
        assert "HTTP status 404" in error.message
        assert "--update" not in (error.hint or "")

    def test_a_dated_snapshot_as_a_mirror_has_it(
        self, tmp_path: Path, server: Server, archive: Sources
    ) -> None:
        path = self.DEB.removeprefix("mirror://debian")
        server.files[f"/archive/debian/20240210T000000Z{path}"] = b"one"
        snapshot = f"{server.address}/archive/debian/20240210T000000Z/"
        sources = Sources(tmp_path / "sources", Mirrors({"debian": [f"{server.address}/debian", snapshot]}))
        wanted = _wanted(b"one", self.DEB)
        assert self.refused(archive, wanted).hint
        assert sources.fetch(wanted).read_bytes() == b"one"

    def test_an_archive_that_does_not_answer_may_have_it_still(self, tmp_path: Path, server: Server) -> None:
        dead = ["http://127.0.0.1:1/debian", f"{server.address}/debian"]
        error = self.refused(Sources(tmp_path / "s", Mirrors({"debian": dead})), _wanted(b"one", self.DEB))
        assert error.hint is not None and "--update" not in error.hint

    def test_other_files_are_not_told_so(self, sources: Sources) -> None:
        error = self.refused(sources, _wanted(b"one", "mirror://here/absent"))
        assert error.hint is not None and "--update" not in error.hint


def test_the_next_address_is_tried_and_every_reason_is_told(sources: Sources, server: Server) -> None:
    server.files |= {"/good": b"right", "/bad": b"wrong"}
    broken = [f"{server.address}/{name}" for name in ("bad", "cut", "absent")]
    silent = "http://127.0.0.1:1/closed"
    urls = (*broken, silent, "mirror://gnuu/x", "file:///none")
    assert sources.fetch(_wanted(b"right", *urls, f"{server.address}/moved")).read_bytes() == b"right"
    with pytest.raises(TallyError) as caught:
        sources.fetch(_wanted(b"never", *urls))
    lines = caught.value.message.splitlines()
    assert lines[0].startswith("no address gave file.tar.gz with sha256 ")
    for line, url, reason in zip(
        lines[1:],
        urls,
        (
            "its sha256 is",
            "Connection broken",
            "HTTP status 404",
            "refused",
            "no mirror called 'gnuu'",
            "No such file",
        ),
        strict=True,
    ):
        assert line.strip().startswith(url)
        assert reason in line
    assert len(_visible(sources.folder)) == 1


def refused(sources: Sources, wanted: Wanted) -> TallyError:
    with pytest.raises(TallyError) as caught:
        sources.fetch(wanted)
    return caught.value


def test_a_wrong_digest_is_one_sentence_and_says_what_to_doubt(sources: Sources, server: Server) -> None:
    wrong, right = b"\x1f\x8bother", b"\x1f\x8bthis"
    server.files |= {"/one": wrong, "/same": wrong, "/else": b"\x1f\x8belse", "/page": b"<html>Log in</html>"}
    said, says = Sha256.of(wrong).hex, Sha256.of(right).hex
    one = refused(sources, _wanted(right, f"{server.address}/one"))
    assert one.message == (
        f"the file that {server.address}/one gives does not match the recipe: "
        f"its sha256 is {said}, and the recipe says {says}"
    )
    assert "compare with the sha256 that the publisher names" in str(one.hint)
    two = refused(sources, _wanted(right, f"{server.address}/one", f"{server.address}/same"))
    assert "\n" not in two.message
    assert "doubt the recipe's sha256: 2 addresses give the same file" in str(two.hint)
    three = refused(sources, _wanted(right, f"{server.address}/one", f"{server.address}/else"))
    assert three.hint == "doubt the addresses: they give different files"
    page = refused(sources, _wanted(right, f"{server.address}/page"))
    assert "begins: <html>" in page.message
    assert page.hint == "doubt the address: what it gives is not such a file"
    server.files["/hello.c"] = b"int main(void) { return 0; }\n"
    text = refused(sources, _wanted(right, f"{server.address}/hello.c"))
    assert "begins: int main" in text.message
    assert "compare with the sha256 that the publisher names" in str(text.hint)


def test_other_bytes_in_a_registry_are_told(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(NOTICE, "tell", told.append)
    server.files |= {"/registry/a": b"the registry's", "/elsewhere": b"of the lock"}
    sources = Sources(tmp_path / "own", Mirrors({"mine": [f"{server.address}/registry/"]}))
    digest = Sha256(hashlib.sha256(b"of the lock").hexdigest())
    sources.fetch(Wanted("a", digest, ("mirror://mine/a", f"{server.address}/elsewhere")))
    (line,) = told
    assert line == (
        f"a: {server.address}/registry/a has other bytes of it than are pinned; these are from "
        f"{server.address}/elsewhere"
    )


def test_a_silent_host_is_asked_once(sources: Sources) -> None:
    for number in range(2):
        with pytest.raises(TallyError) as caught:
            sources.fetch(_wanted(b"%d" % number, "http://127.0.0.1:1/x"))
    assert "asked once" in caught.value.message


def test_a_dead_proxy_is_what_to_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1:1")
    with pytest.raises(TallyError) as caught:
        Sources(tmp_path, Mirrors({})).fetch(_wanted(b"x", "http://host.invalid/x"))
    assert caught.value.hint == "check the proxy that is named, or name this host in no_proxy"


def test_passwords_are_not_shown(sources: Sources, server: Server) -> None:
    with pytest.raises(TallyError) as caught:
        sources.fetch(_wanted(b"x", server.address.replace("//", "//me:secret@") + "/absent"))
    assert "secret" not in caught.value.message
    assert "HTTP status 404" in caught.value.message


def test_many_at_once(sources: Sources, server: Server) -> None:
    contents = [b"%d" % number * 1000 for number in range(40)]
    server.files |= {f"/{n}": content for n, content in enumerate(contents)}
    wanted = [_wanted(content, f"{server.address}/{n}") for n, content in enumerate(contents)]
    told: list[Wanted] = []
    sources.fetch_all(wanted, told.append)
    assert {each.digest: each for each in told} == {each.digest: each for each in wanted}
    assert len(told) == len(wanted)
    assert all(
        sources.path(each).read_bytes() == content for each, content in zip(wanted, contents, strict=True)
    )
    assert sources.missing(wanted) == ()


def test_of_many_each_failure_is_named_and_the_rest_is_kept(sources: Sources, server: Server) -> None:
    server.files |= {"/good": b"right"}
    good = _wanted(b"right", f"{server.address}/good", name="good")
    bad = [_wanted(b"%d" % n, f"{server.address}/absent", name=f"bad{n}") for n in range(3)]
    with pytest.raises(TallyError) as caught:
        sources.fetch_all([*bad, good])
    assert all(f"bad{n}" in caught.value.message for n in range(3))
    assert sources.path(good).read_bytes() == b"right"


def test_the_same_bytes_under_another_name_are_not_fetched_again(sources: Sources, server: Server) -> None:
    server.files["/good"] = b"right"
    sources.fetch(_wanted(b"right", f"{server.address}/good"))
    assert sources.fetch(_wanted(b"right", name="other")).read_bytes() == b"right"
    assert server.asked["/good"] == 1


def test_bytes_that_rotted_are_not_reused(sources: Sources, server: Server) -> None:
    server.files["/good"] = b"right"
    sources.fetch(_wanted(b"right", f"{server.address}/good")).write_bytes(b"rot")
    assert sources.fetch(_wanted(b"right", f"{server.address}/good", name="other")).read_bytes() == b"right"


def test_what_a_killed_run_left_is_cleared(sources: Sources, server: Server) -> None:
    server.files["/good"] = b"right"
    wanted = _wanted(b"right", f"{server.address}/good")
    folder = sources.path(wanted).parent
    (folder / ".file.tar.gz.tmp").mkdir(parents=True)
    (folder / ".file.tar.gz.abc.tmp").write_bytes(b"ri")
    sources.fetch(wanted)
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "file.tar.gz"]


def test_one_download_when_two_runs_want_the_same(tmp_path: Path, server: Server) -> None:
    server.files["/good"] = b"right" * 100_000
    wanted = _wanted(server.files["/good"], f"{server.address}/good")
    runs = [Sources(tmp_path / "sources", Mirrors()) for _ in range(4)]
    threads = [threading.Thread(target=run.fetch, args=(wanted,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.asked["/good"] == 1


def test_a_folder_that_cannot_be_written(tmp_path: Path, server: Server) -> None:
    (tmp_path / "sources").write_text("a file is in the way")
    server.files["/good"] = b"right"
    with pytest.raises(TallyError, match="cannot write"):
        Sources(tmp_path / "sources", Mirrors()).fetch_all([_wanted(b"right", f"{server.address}/good")])


def test_interrupting_leaves_no_half_written_file(sources: Sources, server: Server) -> None:
    contents = [b"%d" % number * 1000 for number in range(30)]
    server.files |= {f"/{n}": content for n, content in enumerate(contents)}

    def interrupt(_: Wanted) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sources.fetch_all(
            [_wanted(content, f"{server.address}/{n}") for n, content in enumerate(contents)], interrupt
        )
    assert all(name.endswith("/file.tar.gz") for name in _visible(sources.folder))


def test_a_folder_is_checked_by_its_nar_hash(sources: Sources) -> None:
    wanted = Wanted("tree", NarHash("0" * 64), ("path:x@abc", "https://example.org/x"))
    with pytest.raises(TallyError) as caught:
        sources.fetch(wanted)
    assert "no address gave tree with NAR hash" in caught.value.message
    assert not sources.path(wanted).exists()
    assert nar_hash(sources.path(wanted).parent) != wanted.digest
