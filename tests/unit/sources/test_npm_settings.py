"""What npm's own files say of registries: scopes, and whose token goes where."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest

from orchestrator.ground.answers import Authorised
from orchestrator.ground.download import Downloader
from orchestrator.sources import registries
from orchestrator.sources.mirrors import Mirrors
from orchestrator.sources.npm_settings import NpmSettings, settings

USER = b64encode(b"secret").decode()
RC = f"""\
; a comment
@a:registry = https://a.example/npm
//a.example/npm/:_authToken="${{TOKEN}}"
//b.example/:_auth=YWJj
//c.example/deep/:username=me
//c.example/deep/:_password={USER}
//d.example/:_authToken=${{ABSENT}}
"""


@pytest.fixture
def npm(tmp_path: Path) -> NpmSettings:
    file = tmp_path / "npmrc"
    file.write_text(RC)
    return settings((tmp_path / "none", file), {"TOKEN": "t", "npm_config_//e.example/:_authToken": "e"})


def test_a_scope_has_a_registry_of_its_own(npm: NpmSettings) -> None:
    assert npm.registry_of("@a/b") == "https://a.example/npm/"
    assert npm.registry_of("@b/b") is None
    assert npm.registry_of("a") is None


@pytest.mark.parametrize(
    ("address", "word"),
    [
        ("https://a.example/npm/@a/b/-/b-1.tgz", "Bearer t"),
        ("https://a.example/other/b-1.tgz", None),
        ("https://a.example.org/npm/b-1.tgz", None),
        ("https://b.example/x/-/x-1.tgz", "Basic YWJj"),
        ("https://c.example/deep/x", f"Basic {b64encode(b'me:secret').decode()}"),
        ("https://c.example/x", None),
        ("https://d.example/x", "Bearer ${ABSENT}"),
        ("https://e.example/x", "Bearer e"),
        ("http://a.example/npm/x", None),  # others could read it on the way
    ],
)
def test_who_asks(npm: NpmSettings, address: str, word: str | None) -> None:
    found = npm.authorised(address)
    assert found == address
    assert (found.headers.get("Authorization") if isinstance(found, Authorised) else None) == word
    assert "Bearer t" not in repr(npm)


def test_a_scope_is_asked_of_its_registry_alone(npm: NpmSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    mirrors = Mirrors({"npm": ["https://mine.example"]})
    monkeypatch.setattr(mirrors, "_npm", npm)
    places = registries.npm_addresses("mirror://npm/@a/b/-/b-1.tgz", mirrors, Downloader())
    assert next(places) == "https://mine.example/@a/b/-/b-1.tgz"
    monkeypatch.setattr(registries, "_bases", lambda *_: pytest.fail("the usual registry is asked"))
    assert registries._npm_bases("@a/b", mirrors) == ("https://mine.example/", "https://a.example/npm/")
