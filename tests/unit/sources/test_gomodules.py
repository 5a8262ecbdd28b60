"""Where Go's modules are, what is asked of whom, and what is pinned of them."""

from __future__ import annotations

import io
import zipfile
from base64 import b64encode
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path

import pytest
from gomodules import GoProxy, Module
from loopback import saying

from orchestrator.dependencies.dependency import Dependency
from orchestrator.dependencies.go import read
from orchestrator.ground.answers import Authorised
from orchestrator.ground.errors import TallyError
from orchestrator.ground.unreachable import Unreachable
from orchestrator.pinning.hashpins import hash_of
from orchestrator.pinning.undigested import pinned
from orchestrator.sources.asking import asking
from orchestrator.sources.folder import Sources
from orchestrator.sources.goproxy import GoSettings, addresses, settings
from orchestrator.sources.mirrors import Mirrors

TOML = Module("github.com/BurntSushi/toml", "v1.2.0", {"toml.go": b"package toml\n", "go.mod": b"module x\n"})
OLD = Module("example.org/old", "v0.1.0", {})
GO_MOD = b"module example.org/app\n\nrequire github.com/BurntSushi/toml v1.2.0\n"
FILE = "/proxy/github.com/!burnt!sushi/toml/@v/v1.2.0.zip"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose go was told nothing, and that has no go."""
    for name in ("GOPROXY", "GONOPROXY", "GOPRIVATE", "GOENV"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[GoProxy]:
    with GoProxy([TOML, OLD]).running() as running:
        monkeypatch.setenv("GOPROXY", running.address)
        yield running


def wanted(lines: str = TOML.lines + OLD.lines) -> tuple[Dependency, ...]:
    files: Mapping[str, bytes] = {"go.mod": GO_MOD, "go.sum": lines.encode()}
    return read("go.sum", "go.sum", files.get).dependencies


def pin(
    folder: Path, known: Mapping[str, str] | None = None, lines: str = TOML.lines + OLD.lines
) -> dict[str, str]:
    return pinned(
        wanted(lines), known or {}, Sources(folder / "sources", Mirrors()), "go.sum", lambda line: None
    )


def test_what_is_pinned_was_fetched(home: Path, proxy: GoProxy) -> None:
    found = pin(home)
    assert len(found) == 2
    sha256 = found[TOML.h1.h1]
    [file] = (home / "sources" / sha256).iterdir()
    assert file.read_bytes() == TOML.zip
    assert file.name == "github.com-BurntSushi-toml-v1.2.0.zip"
    asked = len(proxy.server.asked)
    assert pin(home, found) == found
    assert len(proxy.server.asked) == asked, "what is known is not fetched again"


def test_what_go_sum_no_longer_has_is_left_out(home: Path, proxy: GoProxy) -> None:
    assert pin(home, {"h1:gone": "0" * 64}, TOML.lines).keys() == {TOML.h1.h1}


def _zip(*members: tuple[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in members:
            archive.writestr(name, data)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (_zip(("github.com/BurntSushi/toml@v1.2.0/toml.go", b"other")), "it has the hash h1:"),
        (_zip(("etc/passwd", b"")), "it holds etc/passwd, which is not of this module"),
        (TOML.zip[:-30], "it is no zip that can be read"),
        (b"<html>sign in</html>", "it is no zip that can be read"),
    ],
    ids=["other files", "a file of elsewhere", "half", "a page"],
)
def test_other_bytes_are_never_pinned(data: bytes, said: str, home: Path, proxy: GoProxy) -> None:
    proxy.server.faults[FILE] = saying(data)
    with pytest.raises(TallyError) as caught:
        pin(home)
    assert f"with {TOML.h1.h1}:\n" in caught.value.message
    assert "go.sum, line 1" in caught.value.message
    assert said in caught.value.message
    assert not [each for each in (home / "sources").iterdir() if each.name.startswith(".go-")]


def test_a_go_mod_of_another_hash(home: Path, proxy: GoProxy) -> None:
    proxy.server.faults["/proxy/example.org/old/@v/v0.1.0.mod"] = saying(b"module example.org/new\n")
    with pytest.raises(TallyError, match=r"example\.org/old v0\.1\.0 \(go\.sum, line 3\)"):
        pin(home)


def test_what_nobody_has(home: Path, proxy: GoProxy) -> None:
    del proxy.server.routes[FILE]
    with pytest.raises(TallyError, match="HTTP status 404"):
        pin(home)


def test_one_proxy_after_the_other(home: Path, proxy: GoProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOPROXY", f"{proxy.server.address}/nothing,{proxy.address}|direct")
    assert len(pin(home)) == 2
    assert settings().others == ("direct",)


@pytest.mark.parametrize("words", ["off", "direct"])
def test_a_go_that_asks_no_proxy(words: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOPROXY", words)
    with pytest.raises(TallyError, match=f"GOPROXY is {words}, and modules are fetched from proxies alone"):
        pin(home)


def test_a_machine_without_go(home: Path) -> None:
    with pytest.raises(TallyError, match="no address for mirror://go/: cannot run go"):
        pin(home)


def test_the_file_that_go_writes(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "config/go").mkdir(parents=True)
    (home / "config/go/env").write_text(
        "GOPROXY=https://go.example.org\nGOPRIVATE=*.corp.example.org,example.org/own\n"
    )
    assert settings() == GoSettings(
        ("https://go.example.org",), (), ("*.corp.example.org", "example.org/own")
    )
    monkeypatch.setenv("GOPROXY", "off")
    assert settings().proxies == ()


def test_go_itself_is_asked_for_its_default(home: Path) -> None:
    (home / "bin").mkdir()
    (home / "bin/go").write_text(
        '#!/bin/sh\necho \'{"GOPROXY": "https://go.example.org,direct", "GONOPROXY": ""}\'\n'
    )
    (home / "bin/go").chmod(0o755)
    assert settings().proxies == ("https://go.example.org",)


def test_private_modules_are_asked_of_no_proxy_but_ones_own(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOPROXY", "https://go.example.org")
    monkeypatch.setenv("GOPRIVATE", "github.com/Mine,*.corp.example.org")
    bases = ("https://own.example.org/", "https://go.example.org/")
    for path in ("github.com/!mine/a", "git.corp.example.org/a/b"):
        url = f"mirror://go/{path}/@v/v1.0.0.zip"
        with pytest.raises(Unreachable, match="ask no proxy"):
            list(addresses(url, bases[1:], ()))
        assert list(addresses(url, bases, bases[:1])) == [f"{bases[0]}{path}/@v/v1.0.0.zip"]
    assert len(list(addresses("mirror://go/github.com/mine/a/@v/v1.0.0.zip", bases, ()))) == 2


def test_who_asks_is_said_to_its_host_alone(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "netrc").write_text("machine go.example.org login me password hunter2\n")
    said = asking("https://go.example.org/a")
    assert isinstance(said, Authorised)
    assert said.headers == {"Authorization": f"Basic {b64encode(b'me:hunter2').decode()}"}
    assert not isinstance(asking("https://other.example.org/a"), Authorised)
    with_user = asking("https://me:hunter%202@other.example.org/a")
    assert with_user == "https://other.example.org/a"
    assert isinstance(with_user, Authorised)
    with pytest.raises(Unreachable, match="https alone"):
        asking("http://me:hunter2@go.example.org/a")


def test_a_proxy_that_asks_who_is_there(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = f"Basic {b64encode(b'me:hunter2').decode()}"
    with GoProxy([TOML, OLD], authorization=token).running() as proxy:
        monkeypatch.setenv("GOPROXY", proxy.address)
        with pytest.raises(TallyError, match="401"):
            pin(home)
        monkeypatch.setenv("GOPROXY", proxy.address.replace("http://", "http://me:hunter2@"))
        assert len(pin(home)) == 2
        monkeypatch.setenv("GOPROXY", proxy.address.replace("http://", "http://me:hunter3@"))
        with pytest.raises(TallyError) as caught:
            pin(home / "b")
    assert "hunter" not in f"{caught.value.message}{caught.value.hint}"


def test_a_name_that_would_be_a_line_among_the_hashed(tmp_path: Path) -> None:
    one = {"a": b"one", "b": b"two"}
    whole = Module("example.org/m", "v1.0.0", one)
    (each,) = read(
        "go.sum", "go.sum", {"go.mod": b"module m\n", "go.sum": whole.lines.encode()}.get
    ).dependencies
    top = "example.org/m@v1.0.0"
    forged = tmp_path / "m.zip"
    with zipfile.ZipFile(forged, "w") as packed:
        packed.writestr(f"{top}/a\n{sha256(b'two').hexdigest()}  {top}/b", b"one")
    with pytest.raises(Unreachable, match="which is no file's name"):
        hash_of(forged, each)
    forged.write_bytes(whole.zip)
    assert hash_of(forged, each) == whole.h1
