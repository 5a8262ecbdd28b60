"""Where crates are: by the protocol of registries, and by what the machine's own cargo is told."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from crates import CargoRegistry, Crate

from orchestrator.ground import notice
from orchestrator.ground.answers import Authorised
from orchestrator.ground.digest import Sha256
from orchestrator.ground.download import Downloader
from orchestrator.ground.errors import TallyError
from orchestrator.ground.unreachable import Unreachable
from orchestrator.recipe.wanted import Wanted
from orchestrator.sources import cargo_settings
from orchestrator.sources.cargo_settings import settings
from orchestrator.sources.crates import Crates
from orchestrator.sources.folder import Sources
from orchestrator.sources.mirrors import Mirrors

DEFAULT = "registry+https://github.com/rust-lang/crates.io-index"


def _crate(name: str, version: str) -> Crate:
    return Crate(name, version, f"{name} {version}".encode(), {"dependencies": {}})


ITOA, OTHER = _crate("itoa", "1.0.1"), _crate("Zz", "0.1.0+a.b")


@pytest.fixture
def registry() -> Iterator[CargoRegistry]:
    with CargoRegistry([ITOA, OTHER]).running() as running:
        yield running


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of Cargo's, and a machine that has no cargo."""
    folder = tmp_path / "cargo"
    folder.mkdir()
    monkeypatch.setenv("CARGO_HOME", str(folder))
    monkeypatch.setattr(cargo_settings, "default_index", _no_cargo)
    return folder


def _no_cargo() -> str:
    raise TallyError("cannot run cargo")


def fetch(crate: Crate, folder: Path, url: str = "", mirrors: Mirrors | None = None) -> bytes:
    address = url or f"mirror://cargo/{crate.name}/{crate.file}"
    sources = Sources(folder / "sources", mirrors or Mirrors())
    return sources.fetch(Wanted(crate.file, Sha256(crate.checksum), (address,))).read_bytes()


def test_by_source_replacement(home: Path, registry: CargoRegistry) -> None:
    (home / "config.toml").write_text(
        '[source.crates-io]\nreplace-with = "near"\n[source.near]\nreplace-with = "mine"\n'
        f'[registries.mine]\nindex = "{registry.index}"\n'
    )
    assert fetch(ITOA, home) == ITOA.data
    assert fetch(OTHER, home) == OTHER.data
    assert registry.server.asked == [
        "/index/config.json",
        "/index/it/oa/itoa",
        "/dl/itoa/1.0.1/download",
        "/index/config.json",
        "/index/2/zz",
        "/dl/Zz/0.1.0+a.b/download",
    ]


def test_by_the_mirrors_of_tally(home: Path, registry: CargoRegistry) -> None:
    for address in (registry.index, registry.index.removeprefix("sparse+").rstrip("/")):
        folder = home / str(len(address))
        assert fetch(ITOA, folder, mirrors=Mirrors({"cargo": [address]})) == ITOA.data


def test_a_folder_of_crates(home: Path) -> None:
    (home / ITOA.file).write_bytes(ITOA.data)
    (home / "config").write_text(
        f'[source.crates-io]\nreplace-with = "here"\n[source.here]\nlocal-registry = "{home}"\n'
    )
    assert fetch(ITOA, home / "a") == ITOA.data
    assert fetch(ITOA, home / "b", mirrors=Mirrors({"cargo": [home.as_uri()]})) == ITOA.data


@pytest.mark.parametrize("template", ["{crate}/{crate}-{version}.crate", "{lowerprefix}/{sha256-checksum}"])
def test_where_files_are_is_a_template(home: Path, registry: CargoRegistry, template: str) -> None:
    from loopback import Answer, saying

    place = (
        template.replace("{crate}", "itoa").replace("{version}", "1.0.1").replace("{lowerprefix}", "it/oa")
    )
    place = place.replace("{sha256-checksum}", ITOA.checksum)
    config = {"dl": f"{registry.server.address}/files/{template}"}
    registry.server.routes["/index/config.json"] = lambda asked: Answer.of(config)
    registry.server.routes[f"/files/{place}"] = saying(ITOA.data)
    assert fetch(ITOA, home, mirrors=Mirrors({"cargo": [registry.index]})) == ITOA.data


def test_an_index_that_is_a_repository(home: Path, registry: CargoRegistry) -> None:
    index = home / "index"
    index.mkdir()
    (index / "config.json").write_text(f'{{"dl": "{registry.server.address}/dl"}}')
    git = ("git", "-C", str(index), "-c", "user.name=a", "-c", "user.email=a@example.org")
    for words in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "index")):
        subprocess.run([*git, *words], check=True)
    assert fetch(ITOA, home, f"registry+{index.as_uri()}#itoa/{ITOA.file}") == ITOA.data
    assert fetch(OTHER, home, mirrors=Mirrors({"cargo": [f"registry+{index.as_uri()}"]})) == OTHER.data


def test_a_registry_that_asks_who_is_there(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with CargoRegistry([ITOA], token="hunter2").running() as registry:
        url = f"{registry.index}#itoa/{ITOA.file}"
        with pytest.raises(TallyError, match="401"):
            fetch(ITOA, home, url)
        (home / "config.toml").write_text(f'[registries.my-own]\nindex = "{registry.index}"\n')
        (home / "credentials.toml").write_text('[registries.my-own]\ntoken = "hunter2"\n')
        assert fetch(ITOA, home, url) == ITOA.data
        (home / "credentials.toml").unlink()
        monkeypatch.setenv("CARGO_REGISTRIES_MY_OWN_TOKEN", "hunter2")
        assert fetch(ITOA, home / "b", url) == ITOA.data
        monkeypatch.setenv("CARGO_REGISTRIES_MY_OWN_TOKEN", "hunter3")
        with pytest.raises(TallyError) as caught:
            fetch(ITOA, home / "c", url)
    assert "hunter" not in f"{caught.value.message}{caught.value.hint}{caplog.text}"


def test_a_token_is_for_its_own_registry(home: Path, registry: CargoRegistry) -> None:
    (home / "config.toml").write_text('[registries.mine]\nindex = "sparse+https://crates.example.org/"\n')
    (home / "credentials.toml").write_text('[registries.mine]\ntoken = "hunter2"\n')
    assert settings().tokens == {"sparse+https://crates.example.org/": "hunter2"}
    for address in Crates(Mirrors(), Downloader()).addresses(
        f"{registry.index}#itoa/{ITOA.file}", ITOA.checksum
    ):
        assert not isinstance(address, Authorised)


def test_a_token_is_sent_where_nobody_else_reads_it() -> None:
    with pytest.raises(ValueError, match="https alone"):
        Authorised("http://crates.example.org/", {"Authorization": "hunter2"})


def test_a_yanked_crate_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(notice.NOTICE, "tell", told.append)
    with CargoRegistry([ITOA], yanked={"itoa@1.0.1"}).running() as registry:
        assert fetch(ITOA, home, mirrors=Mirrors({"cargo": [registry.index]})) == ITOA.data
    assert told == ["itoa 1.0.1 was yanked by its authors; the lock pins it all the same"]


def test_what_a_registry_does_not_have(home: Path, registry: CargoRegistry) -> None:
    mirrors = Mirrors({"cargo": [registry.index]})
    for crate, said in (
        (_crate("itoa", "1.0.2"), "its index has no itoa 1.0.2"),
        (_crate("gone", "1.0.0"), "its index has no gone"),
        (
            Crate("itoa", "1.0.1", b"other bytes", {}),
            f"its index has itoa 1.0.1 with the checksum {ITOA.checksum}",
        ),
    ):
        with pytest.raises(TallyError) as caught:
            fetch(crate, home, mirrors=mirrors)
        assert said in caught.value.message


def test_a_registry_that_is_none(home: Path, registry: CargoRegistry) -> None:
    from loopback import saying

    for body in (b"{", b"[]", b'{"dl": 3}', b"{}"):
        registry.server.faults["/index/config.json"] = saying(body)
        with pytest.raises(TallyError, match=r"its config\.json does not say where files are"):
            fetch(ITOA, home, mirrors=Mirrors({"cargo": [registry.index]}))


def test_no_registry_at_all(home: Path) -> None:
    with pytest.raises(TallyError, match="no address for mirror://cargo/: cannot run cargo"):
        fetch(ITOA, home)
    (home / "config").write_text(
        f'[source.crates-io]\nreplace-with = "here"\n[source.here]\ndirectory = "{home}"\n'
    )
    with pytest.raises(TallyError, match="a folder of unpacked crates"):
        fetch(ITOA, home)


def test_an_address_that_no_reader_made() -> None:
    with pytest.raises(Unreachable, match="no crate's address"):
        list(Crates(Mirrors(), Downloader()).addresses("mirror://cargo/itoa/ryu-1.0.0.crate", "0" * 64))


def test_the_default_is_what_cargo_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cargo = tmp_path / "cargo"
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    for said, index in (
        (
            "failed to download from `https://index.example.org/config.json`",
            "sparse+https://index.example.org/",
        ),
        ("failed to fetch `https://git.example.org/index`", "registry+https://git.example.org/index"),
    ):
        cargo.write_text(f"#!/bin/sh\necho 'error: {said}' >&2\nexit 101\n")
        cargo.chmod(0o755)
        assert cargo_settings.default_index() == index
    cargo.write_text("#!/bin/sh\n")
    with pytest.raises(TallyError, match="does not say where"):
        cargo_settings.default_index()


def test_an_archive_is_packed_alike_everywhere(tmp_path: Path) -> None:
    from crates import packed

    folder = tmp_path / "a"
    (folder / "src").mkdir(parents=True)
    (folder / "Cargo.toml").write_text('[package]\nname = "a"\nversion = "1.0.0"\n')
    (folder / "src/lib.rs").write_text("")
    (folder / ".cargo-checksum.json").write_text("{}")
    first = packed(folder)
    with tarfile.open(fileobj=io.BytesIO(first.data)) as tar:
        names = tar.getnames()
    assert names == [
        "a-1.0.0/Cargo.toml",
        "a-1.0.0/src/lib.rs",
    ]
    assert packed(folder).checksum == first.checksum


def test_a_redirection_to_another_host_takes_no_token_along(home: Path) -> None:
    from loopback import Answer, Asked, Server

    seen: list[str] = []

    def elsewhere(asked: Asked) -> Answer:
        seen.extend(name.lower() for name in asked.headers)
        return Answer(ITOA.data)

    with (
        Server({"/itoa": elsewhere}).running() as other,
        CargoRegistry([ITOA], token="hunter2").running() as registry,
    ):
        (home / "config.toml").write_text(f'[registries.mine]\nindex = "{registry.index}"\n')
        (home / "credentials.toml").write_text('[registries.mine]\ntoken = "hunter2"\n')
        there = f"{other.address}/itoa"
        registry.server.faults["/dl/itoa/1.0.1/download"] = lambda asked: Answer(b"", 302, location=there)
        assert fetch(ITOA, home, f"{registry.index}#itoa/{ITOA.file}") == ITOA.data
    assert "host" in seen
    assert "authorization" not in seen
