"""Names, versions and package URLs of what others called."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import releases
from hypothesis import given
from hypothesis import strategies as st
from packageurl import PackageURL
from spdx_tools.spdx.validation.external_package_ref_validator import CPE23TYPE_REGEX

from orchestrator.evidence.sbom import naming
from orchestrator.ground.digest import NarHash, OtherDigest, Sha256
from orchestrator.nix.derivation import attributes

URL = "https://example.org/a b/x-1.tar.gz?q=1&r=é"


@pytest.mark.parametrize(
    ("whole", "name", "version"),
    [
        ("hello-2.10", "hello", "2.10"),
        ("python3.11-six-1.16.0", "python3.11-six", "1.16.0"),
        ("nix-0.12pre12876", "nix", "0.12pre12876"),
        ("gtk+-3.24", "gtk+", "3.24"),
        ("hello", "hello", None),
        ("hello-", "hello-", None),
        ("-1.0", "-1.0", None),
        ("a-b-c", "a-b-c", None),
    ],
)
def test_a_name_is_split_as_nix_splits_it(whole: str, name: str, version: str | None) -> None:
    assert naming.split(whole) == (name, version)


@pytest.mark.parametrize(
    ("file", "name", "version"),
    [
        ("hello-2.10.tar.gz", "hello", "2.10"),
        ("libc6_2.36-9+deb12u1_amd64.deb", "libc6", "2.36-9+deb12u1"),
        ("serde-1.0.crate", "serde", "1.0"),
        ("source", "source", None),
    ],
)
def test_a_fetched_file(file: str, name: str, version: str | None) -> None:
    assert naming.of_file(file) == (name, version)


def test_a_path_of_which_nothing_else_is_known() -> None:
    assert naming.of_path(releases.store_path("glibc-2.38-44-dev")) == ("glibc", "2.38-44", "dev")
    assert naming.of_path(releases.store_path("glibc-2.38-44")) == ("glibc", "2.38-44", None)


@pytest.mark.parametrize(
    ("env", "name", "version"),
    [
        ({"pname": "a-1b", "version": "2"}, "a-1b", "2"),
        ({"name": "a-1b-2", "version": "2"}, "a-1b", "2"),
        ({"name": "a-2.5"}, "a", "2.5"),
        ({"tallyName": "t", "tallyVersion": "1", "pname": "p"}, "t", "1"),
        ({"__json": '{"pname": "s", "version": "3"}'}, "s", "3"),
        ({"name": "n", "version": ""}, "n", None),
    ],
)
def test_what_a_derivation_makes(env: dict[str, str], name: str, version: str | None) -> None:
    derivation = replace(releases.World().zlib, env=env)
    assert naming.of_derivation(derivation, attributes(derivation)) == (name, version)


def test_words_of_structured_attributes() -> None:
    given = {"src": "/a /b", "patches": ["/c", ["/d"]], "env": {"x": "/e"}, "n": 3}
    assert naming.words(given, "src", "patches", "env", "n", "none") == {"/a", "/b", "/c", "/d", "/e"}


words = st.text(min_size=1, max_size=12).filter(lambda each: each.strip().strip("/") == each)


@given(words, words | st.none(), words | st.none())
def test_the_stranger_reads_a_package_url_as_it_was_meant(
    name: str, version: str | None, output: str | None
) -> None:
    found = PackageURL.from_string(naming.nix_purl(name, version, output))
    assert (found.type, found.name) == ("nix", name)
    assert (found.version, found.qualifiers) == (version, {"output": output} if output else {})


@pytest.mark.parametrize(
    ("digest", "expected"),
    [
        (Sha256.of(b""), {"checksum": f"sha256:{Sha256.of(b'').hex}", "download_url": URL}),
        (OtherDigest("sha1", "00", nar=False), {"checksum": "sha1:00", "download_url": URL}),
        (NarHash.of(b""), {"download_url": URL}),
    ],
)
def test_the_package_url_of_what_was_fetched(digest: Sha256 | NarHash, expected: dict[str, str]) -> None:
    found = PackageURL.from_string(naming.fetched_purl("x", "1", digest, URL))
    assert found.qualifiers == expected, "a NAR's hash is no checksum of what the address gives"


GOOD = "cpe:2.3:a:gnu:hello:1.0:*:*:*:*:*:*:*"
ODD = r"cpe:2.3:a:gnome:gtk\+:3.24:-:*:en-gb:*:*:*:*"


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ((GOOD, GOOD), (GOOD,)),
        (
            (r"cpe:2.3:a:gnome:gtk\+:3.24:-:*:en-gb:*:*:*:*",) * 2,
            (r"cpe:2.3:a:gnome:gtk\+:3.24:-:*:en-gb:*:*:*:*",),
        ),
        (("cpe:2.3:a:gnome:gtk+:3.24:*:*:*:*:*:*:*", GOOD), (GOOD,)),
        ((GOOD.upper(), f"{GOOD}:*", f" {GOOD}", f"{GOOD}\n", "", "cpe:/a:gnu:hello:1.0"), ()),
    ],
)
def test_what_is_no_cpe_is_left_out(told: tuple[str, ...], kept: tuple[str, ...]) -> None:
    assert naming.cpes(told) == kept
    assert all(re.fullmatch(CPE23TYPE_REGEX, each) for each in kept)
