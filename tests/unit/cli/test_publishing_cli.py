"""`tally publish`, `tally fetch` and `tally verify` of references, as their users meet them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import releases
from releases import Signed

from orchestrator.keys.key import SigningKey

if TYPE_CHECKING:
    from tests.conftest import Tally, TallyIn

NAME = "pigz-2.8-x86_64-linux"


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    return releases.signed(tmp_path_factory.mktemp("release"))


def test_out_and_back(tally: Tally, release: Signed, tmp_path: Path) -> None:
    where = f"dir:{tmp_path}/www"
    ran = tally("publish", release.folder, where, "--key", release.pub).succeeded()
    assert ran.out == f"published: {where}#{NAME}\n"
    assert (
        tally("publish", release.folder, where, "--key", release.pub).succeeded().out.startswith("there al")
    )
    ran = tally("fetch", where, "--key", release.pub, "--out", tmp_path / "out").succeeded()
    assert f"PASSED  {tmp_path}/out/{NAME}\n" in ran.out
    ran = tally("verify", where, release.folder, "--key", release.pub).succeeded()
    assert ran.out.count("PASSED") == 2


def test_as_json(tally: Tally, release: Signed, tmp_path: Path) -> None:
    where = f"dir:{tmp_path}/www"
    said = tally("publish", release.folder, where, "--key", release.pub, "--json").succeeded().out
    assert json.loads(said) | {"verdict": "passed", "reference": f"{where}#{NAME}", "changed": True} == (
        json.loads(said)
    )
    said = tally("fetch", where, "--key", release.pub, "--out", tmp_path / "out", "--json").succeeded().out
    assert json.loads(said)["target"] == f"{tmp_path}/out/{NAME}"
    (found,) = json.loads(tally("verify", where, "--key", release.pub, "--json").succeeded().out)
    assert (found["target"], found["verdict"]) == (where, "passed")


def test_the_key_of_tally_toml(tally_in: TallyIn, release: Signed, tmp_path: Path) -> None:
    (tmp_path / "tally.toml").write_text(f'[signing]\nkey = "{release.pub.with_suffix(".key")}"\n')
    location = "https://example.org/r/"
    ran = tally_in(tmp_path)("publish", release.folder, "dir:www", "--location", location).succeeded()
    assert (tmp_path / "www" / f"{NAME}__locations.sigstore.json").exists()
    assert "published" in ran.out


def test_noes(tally: Tally, release: Signed, tmp_path: Path) -> None:
    _, other = SigningKey.generate().write(tmp_path / "other")
    where = f"dir:{tmp_path}/www"
    ran = tally("publish", release.folder, where, "--key", other).failed(1)
    assert f"FAILED  {release.folder}\n  untrusted-signer: " in ran.out
    tally("publish", release.folder, where, "--key", release.pub).succeeded()
    ran = tally("fetch", where, "--key", other, "--out", tmp_path / "out").failed(1)
    assert f"FAILED  {where}\n" in ran.out
    assert not list((tmp_path / "out").glob("*"))
    ran = tally("verify", where, release.folder, "--key", other, "--sarif").failed(1)
    assert json.loads(ran.out)["runs"][0]["results"][0]["locations"][0]["physicalLocation"][
        "artifactLocation"
    ]["uri"] == (where)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("publish", "RELEASE", "www"), "www is no reference"),
        (("publish", "RELEASE", "ftp://x/"), "ftp: is no scheme"),
        (("publish", "RELEASE", "dir:www"), "--key or --policy is missing"),
        (("publish", "RELEASE", "https://example.org/", "--key", "PUB"), "is read from, and not written to"),
        (("publish", "nowhere", "dir:www", "--key", "PUB"), "there is nothing at nowhere"),
        (("publish", "RELEASE", "dir:www#x", "--key", "PUB"), "under its own name"),
        (("publish", "RELEASE", "dir:www", "--key", "PUB", "--location", "x"), "x is no reference"),
        (("publish", "RELEASE", "dir:www", "--key", "PUB", "--location", "dir:x"), "this machine alone"),
        (("publish", "RELEASE", "dir:www", "--key", "PUB", "--location", "https://x/"), "a private key"),
        (("publish", "RELEASE", "dir:www", "--key", "PUB", "--move-tag"), "is not for a static folder"),
        (("publish", "RELEASE", "dir:www", "--key", "PUB", "--allow-http"), "is not for a static folder"),
        (("publish", "RELEASE", "dir:www", "--key", "PUB", "--nix-key", "x"), "it is for a Nix cache"),
        (("publish", "RELEASE", "oci://x/y", "--key", "PUB", "--retain", "1d"), "it is for a bucket"),
        (("publish", "RELEASE", "s3://bucket/y", "--key", "PUB", "--move-tag"), "it is for a registry"),
        (("publish", "RELEASE", "cache+file:///x", "--key", "PUB", "--move-tag"), "not for a Nix cache"),
        (
            ("publish", "RELEASE", "cache+file:///x", "--key", "PUB", "--with-believed"),
            "--with-runtime or --with-sources, too",
        ),
        (("fetch", "dir:nowhere", "--key", "PUB"), "there is no folder"),
        (("fetch", "dir:nowhere"), "nothing says whom to trust"),
        (("fetch", "http://example.org/", "--key", "PUB"), "anybody on the way"),
        (("verify", "ftp://example.org/", "--key", "PUB"), "ftp: is no scheme"),
        (("verify", "http://127.0.0.1:1/", "--key", "PUB"), "cannot be read: "),
        (("verify", "http://example.invalid/", "--key", "PUB"), "anybody on the way"),
        (("verify", "http://example.invalid/", "--allow-http", "--key", "PUB"), "cannot be read: "),
        (("verify", "dir:nowhere", "--key", "PUB"), "there is no folder"),
        (("verify", "dir:.", "--key", "PUB"), "there is no release at"),
    ],
)
def test_what_cannot_be_done(
    tally_in: TallyIn, release: Signed, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    names = {"RELEASE": str(release.folder), "PUB": str(release.pub)}
    ran = tally_in(tmp_path)(*(names.get(each, each) for each in words)).failed(2)
    assert said in ran.err
    assert "hint: " in ran.err
    assert not list(tmp_path.iterdir())


def test_a_path_with_a_colon_is_a_path(tally: Tally, release: Signed, tmp_path: Path) -> None:
    there = tmp_path / "a:b"
    there.symlink_to(release.folder)
    tally("verify", there, "--key", release.pub).succeeded()
