"""Mirrors, with stand-ins for apt, pip and npm that print what the real ones print."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from orchestrator.ground.download import Downloader
from orchestrator.ground.errors import TallyError
from orchestrator.ground.unreachable import Unreachable
from orchestrator.pinning import debian
from orchestrator.recipe.recipe import PypiSource
from orchestrator.sources import mirrors as module
from orchestrator.sources.mirrors import PUBLIC, Mirrors, pip_find_links
from orchestrator.sources.registries import pypi_addresses, pypi_file


def _program(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(module, "_pip", lambda: ["pip"])
    return folder


def test_public_mirrors_after_configured_ones() -> None:
    mirrors = Mirrors(
        {"gnu": ["https://mirror.example/gnu", "https://ftp.gnu.org/gnu/"], "own": ["https://own.example/x/"]}
    )
    assert mirrors.addresses("mirror://gnu/hello/hello-2.10.tar.gz") == (
        "https://mirror.example/gnu/hello/hello-2.10.tar.gz",
        "https://ftp.gnu.org/gnu/hello/hello-2.10.tar.gz",
        "https://ftpmirror.gnu.org/hello/hello-2.10.tar.gz",
    )
    assert mirrors.addresses("mirror://own/a") == ("https://own.example/x/a",)
    assert mirrors.addresses("https://example.org/a") == ("https://example.org/a",)


def test_an_unknown_mirror_has_a_way_out() -> None:
    with pytest.raises(TallyError, match="no mirror called 'gnuu'") as caught:
        Mirrors().bases("gnuu")
    assert caught.value.hint == "did you mean 'gnu'?"
    with pytest.raises(TallyError) as caught:
        Mirrors().bases("zzz")
    assert caught.value.hint == 'add `zzz = ["https://…"]` to [mirrors] in tally.toml'


def test_an_unknown_mirror_is_refused_without_asking_anybody(programs: Path) -> None:
    mirrors = Mirrors({"own": ["https://own.example/x/"]})
    for urls in (
        ["mirror://debian/a"],
        ["mirror://own/a"],
        ["https://example.org/a"],
        ["mirror://none/a", "mirror://gnu/a"],
    ):
        mirrors.refuse_unknown(urls)  # `programs` holds no apt that could be asked
    with pytest.raises(TallyError, match="no mirror called 'debain'") as caught:
        mirrors.refuse_unknown(["mirror://debain/pool/main/h/hello/hello_2.10.orig.tar.gz"])
    assert caught.value.hint == "did you mean 'debian'?"


def test_no_registrys_host_stands_in_the_table() -> None:
    assert not {"debian", "pypi", "npm"} & PUBLIC.keys()


def test_debian_is_where_apt_says(programs: Path) -> None:
    lines = [
        "Packages|main|bookworm|Debian|http://archive.example/debian/",
        "Packages|contrib|bookworm|Debian|http://contrib.example/debian/",
        "Packages|main|bookworm-updates|Debian|http://updates.example/debian/",
        "Packages|main|bookworm-security|Debian-Security|http://security.example/debian-security/",
        "Packages|main|stable|Somebody|http://other.example/debian/",
        "Translations|main|bookworm|Debian|http://translations.example/debian/",
        "Packages|main|trixie||https://fresh.example/debian/",
        "Packages|main|jammy||https://fresh.example/ubuntu/",
        "Packages|main|bookworm|Debian|cdrom://disc/",
        "Packages|main|bookworm|Debian|file:/srv/debian/",
    ]
    _program(programs, "apt-get", "\n".join(f"echo '{line}'" for line in lines))
    assert Mirrors().bases("debian") == (
        "http://archive.example/debian/",
        "https://fresh.example/debian/",
        "file:///srv/debian/",
    )
    assert Mirrors().bases("debian-security") == ("http://security.example/debian-security/",)


def test_a_machine_without_apt_or_without_debian(programs: Path) -> None:
    with pytest.raises(TallyError, match="no address for mirror://debian/: cannot run apt-get") as caught:
        Mirrors().bases("debian")
    assert caught.value.hint is not None
    assert "[mirrors] in tally.toml" in caught.value.hint
    assert Mirrors({"debian": ["https://own.example/debian"]}).bases("debian") == (
        "https://own.example/debian/",
    )
    _program(programs, "apt-get", "echo 'Packages|main|jammy|Ubuntu|http://x.example/ubuntu/'")
    with pytest.raises(TallyError, match="apt sources name no archive of Debian"):
        Mirrors().bases("debian")
    with pytest.raises(TallyError, match="apt sources name no security archive of Debian"):
        Mirrors().bases("debian-security")
    _program(programs, "apt-get", "echo 'E: broken' >&2; exit 100")
    with pytest.raises(TallyError, match="apt-get indextargets --format failed: E: broken"):
        Mirrors().bases("debian")


def test_npm_is_where_npm_says(programs: Path) -> None:
    _program(programs, "npm", "echo registry=https://npm.example/registry")
    assert Mirrors().addresses("mirror://npm/x/-/x-1.tgz") == ("https://npm.example/registry/x/-/x-1.tgz",)
    _program(programs, "npm", "echo https://npm.example/?a=b")  # as npm 6 has it
    assert Mirrors().bases("npm") == ("https://npm.example/?a=b/",)
    _program(programs, "npm", "echo registry=undefined")
    with pytest.raises(TallyError, match="npm has no registry configured"):
        Mirrors().bases("npm")


def test_pypi_is_where_pip_says_the_environment_winning(programs: Path) -> None:
    _program(
        programs,
        "pip",
        "\n".join(
            f'echo "{line}"'
            for line in (
                "global.index-url='https://global.example/simple'",
                "global.extra-index-url='file:///srv/one/simple https://two.example/simple/'",
                ":env:.index-url='https://environment.example/simple/'",
                "global.find-links='/srv/wheels https://links.example/'",
            )
        ),
    )
    assert Mirrors().bases("pypi") == (
        "https://environment.example/simple/",
        "file:///srv/one/simple/",
        "https://two.example/simple/",
    )
    assert pip_find_links() == ("file:///srv/wheels", "https://links.example/")


def test_pip_that_is_told_to_use_no_index(programs: Path) -> None:
    _program(programs, "pip", "echo \"global.no-index='true'\"")
    assert Mirrors().bases("pypi") == ()


def test_the_machine_is_asked_once(programs: Path, tmp_path: Path) -> None:
    _program(programs, "npm", f"echo asked >> {tmp_path}/asked; echo registry=https://npm.example/")
    mirrors = Mirrors()
    assert mirrors.bases("npm") == mirrors.bases("npm")
    assert mirrors.npm is mirrors.npm
    assert (tmp_path / "asked").read_text() == "asked\n"


SECRETS = {
    "TALLY_KEY_PASSPHRASE": "s3cret1", "SIGSTORE_ID_TOKEN": "s3cret2", "AWS_SECRET_ACCESS_KEY": "s3cret3",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "s3cret4", "VAULT_TOKEN": "s3cret5",
}  # fmt: skip


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone of somebody's, which is the working folder, and variables that are not for its author."""
    folder = tmp_path / "clone"
    (folder / "pip").mkdir(parents=True)
    evil = f"open({str(tmp_path / 'ran')!r}, 'w')\n"
    for name in ("pip/__init__.py", "pip/__main__.py", "ast.py"):
        (folder / name).write_text(evil)
    put_together = "/".join(f"${{{name}}}" for name in SECRETS)
    (folder / ".npmrc").write_text(f"registry=http://127.0.0.1:9/{put_together}/\n")
    (folder / "package.json").write_text("{}")
    monkeypatch.chdir(folder)
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    return folder


def test_the_working_folder_gives_pip_no_code(clone: Path) -> None:
    """`python -m` looks there first."""
    Mirrors().bases("pypi")
    pip_find_links()
    assert not (clone.parent / "ran").exists()


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not here")
def test_the_working_folder_tells_npm_no_registry(clone: Path) -> None:
    assert "127.0.0.1:9" not in " ".join(Mirrors().bases("npm"))


def test_no_program_of_others_has_our_secrets(programs: Path, clone: Path, tmp_path: Path) -> None:
    for name in ("npm", "pip", "apt-get"):
        _program(programs, name, f"export -p >> {tmp_path}/seen; echo $PWD >> {tmp_path}/seen; exit 1")
    for mirror in ("npm", "pypi", "debian"):
        with pytest.raises(TallyError):
            Mirrors().bases(mirror)
    with pytest.raises(TallyError, match="it failed"):
        debian._process(["apt-get", "update"], {}, "it")
    seen = (tmp_path / "seen").read_text()
    assert seen.count("export PATH") == 4
    assert "s3cret" not in seen


def test_a_configuration_that_a_relative_path_names(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (clone / "own.conf").write_text("[global]\nindex-url = https://own.example/simple\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", "own.conf")
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    assert "https://own.example/simple/" in Mirrors().bases("pypi")


def test_a_pip_that_fails_is_told(programs: Path) -> None:
    _program(programs, "pip", "echo 'ERROR: no section header' >&2; exit 1")
    source = PypiSource(pypi="x", version="1", sha256="1" * 64)
    with pytest.raises(TallyError, match="no address for mirror://pypi/: pip config list failed"):
        pypi_file(source, Mirrors(), Downloader())
    with pytest.raises(Unreachable, match="no address for mirror://pypi/"):
        list(pypi_addresses("mirror://pypi/x/x-1.tar.gz", Mirrors(), Downloader()))
