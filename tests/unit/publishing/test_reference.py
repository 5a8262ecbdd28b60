"""References as people write them, and what is refused in them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.publishing.reference import (
    NixCache,
    ObjectStore,
    Registry,
    Static,
    is_reference,
    parse,
)

HEX = "ab" * 32
DIGEST = Sha256(HEX)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dir:/srv/www", Static("file:///srv/www/")),
        ("dir:/srv/www/", Static("file:///srv/www/")),
        ("dir:/", Static("file:///")),
        ("dir:/srv/a b%#app-1", Static("file:///srv/a%20b%25/", "app-1")),
        ("file:///srv/www#app-1", Static("file:///srv/www/", "app-1")),
        ("https://example.org", Static("https://example.org/")),
        ("https://example.org:8443/r/#app-1", Static("https://example.org:8443/r/", "app-1")),
        (f"https://example.org/r#sha256:{HEX}", Static("https://example.org/r/", digest=DIGEST)),
        ("http://127.0.0.1:80/r/", Static("http://127.0.0.1:80/r/")),
        ("http://[::1]/", Static("http://[::1]/")),
        ("oci://example.org/a/b", Registry("example.org", "a/b")),
        ("oci://example.org:5000/a:v1", Registry("example.org:5000", "a", "v1")),
        (f"oci://example.org/a@sha256:{HEX}", Registry("example.org", "a", None, DIGEST)),
        (f"oci://example.org/a:v1@sha256:{HEX}", Registry("example.org", "a", "v1", DIGEST)),
        ("oci://localhost:5000/a", Registry("localhost:5000", "a", plain=True)),
        ("s3://bucket/some/prefix", ObjectStore("bucket", "some/prefix")),
        ("s3://bucket", ObjectStore("bucket", "")),
        ("s3://bucket/some/#app-1", ObjectStore("bucket", "some", "app-1")),
        (f"s3://bucket/some#sha256:{HEX}", ObjectStore("bucket", "some", digest=DIGEST)),
        ("cache+file:///srv/cache", NixCache("file:///srv/cache")),
    ],
)
def test_forms(text: str, expected: object) -> None:
    assert parse(text) == expected
    assert is_reference(text)
    assert parse(str(expected)) == expected


def test_a_relative_folder_is_one_of_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = parse("dir:www")
    assert isinstance(found, Static)
    assert found.path == tmp_path / "www"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("releases/app", "it has no scheme"),
        ("ftp://example.org/", "ftp: is no scheme"),
        ("dir:", "names no folder"),
        ("dir:/srv#a/b", "after # stands"),
        ("dir:/srv#..", "after # stands"),
        ("dir:/srv#sha256:12", "after # stands"),
        ("https://", "names no host"),
        ("https://user:word@example.org/", "a user before its host"),
        ("https://example.org/?token=1", "a query"),
        ("https://example.org:port/", "cannot be read"),
        ("https://[::1/", "cannot be read"),
        ("file://other/srv", "on this machine"),
        ("oci://example.org", "host and repository"),
        ("oci:example.org/a", "host and repository"),
        ("oci://example.org/A", "lower-case"),
        ("oci://example.org/a:", "no tag"),
        ("oci://example.org/a@sha512:00", "after @ stands"),
        ("oci://user@example.org/a", "host and repository"),
        ("s3://B/", "names no bucket"),
        ("cache+ftp://x", "a cache is behind"),
        ("dir:/srv\n", "characters that no reference has"),
        ("dir:" + "a" * 5000, "too long"),
    ],
)
def test_refused(text: str, why: str) -> None:
    with pytest.raises(TallyError) as caught:
        parse(text)
    assert why in caught.value.message
    assert "dir:" in (caught.value.hint or "")
    assert "word" not in str(caught.value)


def test_without_tls_only_where_nobody_listens() -> None:
    with pytest.raises(TallyError, match="anybody on the way"):
        parse("http://example.org/")
    assert parse("http://example.org/", plain=True) == Static("http://example.org/")
    found = parse("oci://example.org/a")
    assert isinstance(found, Registry)
    assert not found.plain


@pytest.mark.parametrize("text", ["releases/app", "app:1", "./dir:x", "C:/x", ""])
def test_paths_are_no_references(text: str) -> None:
    assert not is_reference(text)


@given(st.text())
@example("dir:\ud800")
@example("https://[")
@example("cache+:")
def test_anything_is_a_reference_or_an_error(text: str) -> None:
    try:
        found = parse(text)
    except TallyError:
        return
    assert parse(str(found)) == found
