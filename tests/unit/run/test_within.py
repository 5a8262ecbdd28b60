"""What lies within fixed outputs: every package of the real shapes, and nothing where there is none."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import releases
import vendor_folders
from packageurl import PackageURL
from vendor_folders import CARGO_LOCK, EXPECTED, GO_SUM, H1, MODULES, SHA256, SHA512, write

from orchestrator.evidence.vendored.package import Package, Within
from orchestrator.ground.digest import OtherDigest, Sha256
from orchestrator.run import within as reading
from orchestrator.run.shapes import Shape, shape_of
from orchestrator.run.within import within

DERIVATION = releases.fixed("app", url="https://example.org/app")


def read(path: Path, source: str | None = None) -> Within:
    shape = shape_of(path, path.name)
    assert shape is not None
    return within(shape, path, replace(DERIVATION, env={"src": source} if source else {}))


def purls(found: Within) -> set[str]:
    return {each.purl for each in found.packages}


def by_name(found: Within) -> dict[str, Package]:
    return {each.name: each for each in found.packages}


@pytest.mark.parametrize("name", EXPECTED)
def test_each_package_is_told_with_a_url_that_a_stranger_reads(name: str, tmp_path: Path) -> None:
    found = read(vendor_folders.make(name, tmp_path))
    assert purls(found) == EXPECTED[name]
    assert found.unread == ()
    for purl in purls(found):
        assert PackageURL.from_string(purl).to_string() == purl


def test_the_digest_is_of_what_was_published(tmp_path: Path) -> None:
    crates = by_name(read(vendor_folders.make("app-vendor-staging", tmp_path)))
    assert (crates["serde"].digest, crates["serde"].file_name) == (Sha256(SHA256), "serde-1.0.219.crate")
    assert crates["forked"].digest is None
    modules = by_name(read(vendor_folders.make("app-npm-deps", tmp_path)))
    assert modules["@babel/core"].digest == OtherDigest("sha512", SHA512.hex(), nar=False)
    assert modules["semver"].digest == OtherDigest("sha1", "00" * 20, nar=False)
    wheels = by_name(read(vendor_folders.make("wheelhouse", tmp_path)))
    assert wheels["jinja2"].digest == Sha256.of(b"sdist")
    assert wheels["six"].digest == Sha256.of(vendor_folders.wheel("six", "1.17.0", "MIT"))
    assert wheels["six"].license == "MIT"


def test_the_sums_of_a_go_module_are_its_projects_and_no_digest_of_a_file(tmp_path: Path) -> None:
    path = vendor_folders.make("app-go-modules", tmp_path)
    write(tmp_path / "source/go.sum", GO_SUM)
    found = by_name(read(path, "/nix/store/source"))
    assert found["github.com/BurntSushi/toml"].digest is None
    assert H1 in " ".join(found["github.com/BurntSushi/toml"].notes)
    assert found["golang.org/x/net"].notes == ("It stands in place of golang.org/x/net v0.30.0.",)
    proxied = read(vendor_folders.make("proxied-go-modules", tmp_path)).packages[0]
    assert proxied.name == "github.com/BurntSushi/toml"
    assert H1 in " ".join(proxied.notes)


def test_a_projects_own_tree_holds_none_of_what_its_locks_name(tmp_path: Path) -> None:
    for name in ("Cargo.lock", "Cargo.toml", "package-lock.json", "go.sum", "go.mod", ".cargo/config.toml"):
        write(tmp_path / "source" / name)
    write(tmp_path / "source/vendor/modules.txt", MODULES)
    assert shape_of(tmp_path / "source", "source") is None
    write(tmp_path / "app.tar.gz")
    assert shape_of(tmp_path / "app.tar.gz", "app.tar.gz") is None
    assert shape_of(tmp_path / "gone", "gone-go-modules") is None


def lock(text: str) -> Callable[[Path], None]:
    return lambda path: write(path / "Cargo.lock", text)


def npm_lock(text: str) -> Callable[[Path], None]:
    return lambda path: write(path / "package-lock.json", text)


def link_outside(path: Path) -> None:
    (path / "Cargo.lock").unlink()
    (path / "Cargo.lock").symlink_to("/etc/hostname")


def folder_in_place(path: Path) -> None:
    (path / "package-lock.json").unlink()
    (path / "package-lock.json").mkdir()


BAD: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "no TOML": ("app-vendor-staging", lock("["), "Cargo.lock within it was not read: line 1: not TOML"),
    "a key of a million parts": (
        "app-vendor-staging",
        lock("a." * 1_000_000 + "a = 1"),
        "within it was not read: nested too deeply",
    ),
    "such a key in a table": (
        "app-vendor-staging",
        lock("a = {" + "a." * 1_000_000 + "a = 1}"),
        "nested too deeply",
    ),
    "not UTF-8": (
        "app-vendor-staging",
        lambda path: write(path / "Cargo.lock", b"\xff"),
        "line 1: not UTF-8",
    ),
    "too deep": ("app-vendor-staging", lock("a = " + "[" * 100_000), "nested too deeply"),
    "no tables": ("app-vendor-staging", lock("package = 3"), "no list of tables"),
    "no version": (
        "app-vendor-staging",
        lock('[[package]]\nname = "a"\nsource = "git+x"'),
        "line 1: `version` is lacking",
    ),
    "a name with a line end": (
        "app-vendor-staging",
        lock('[[package]]\nname = "a\\n"\nversion = "1"\nsource = "git+x"'),
        "line 1: `name` is no text",
    ),
    "a link out of the store path": ("app-vendor-staging", link_outside, "it is a link, which is not"),
    "a folder": (
        "app-npm-deps",
        folder_in_place,
        "it is no file",
    ),
    "no JSON": ("app-npm-deps", npm_lock("{"), "package-lock.json within it was not read: it is not JSON"),
    "deep JSON": ("app-npm-deps", npm_lock("[" * 100_000), "it is not JSON"),
    "a list": ("app-npm-deps", npm_lock("[]"), "it is no JSON object"),
    "half a letter": (
        "app-npm-deps",
        npm_lock('{"packages": {"node_modules/a": {"version": "\\ud800"}}}'),
        "the version of a is not one word",
    ),
    "packages before a module": (
        "app-go-modules",
        lambda path: write(path / "modules.txt", "github.com/a/b\n"),
        "its line 1 is before any module",
    ),
    "a module without version": (
        "app-go-modules",
        lambda path: write(path / "modules.txt", "# github.com/a/b\ngithub.com/a/b\n"),
        "the module in its line 1 is not understood",
    ),
    "an archive cut off": (
        "app-vendor.tar.gz",
        lambda path: write(path, path.read_bytes()[:20]),
        "Cargo.lock within it was not read",
    ),
    "an archive without lock": (
        "app-vendor.tar.gz",
        lambda path: vendor_folders.archive(path, None),
        "there is none",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_not_what_it_seems_is_told_and_holds_nothing(case: str, tmp_path: Path) -> None:
    name, harm, said = BAD[case]
    path = vendor_folders.make(name, tmp_path)
    harm(path)
    found = read(path)
    assert found.packages == ()
    (sentence,) = found.unread
    assert said in sentence
    assert sentence.endswith(".")
    assert str(tmp_path) not in sentence


def test_one_bad_wheel_spoils_no_other(tmp_path: Path) -> None:
    path = vendor_folders.make("wheelhouse", tmp_path)
    write(path / "cut-1-py3-none-any.whl", vendor_folders.wheel("cut", "1")[:50])
    write(path / "other-1-py3-none-any.whl", vendor_folders.wheel("six", "1"))
    write(path / "bad.whl", vendor_folders.wheel("bad", "1"))
    write(path / "half-1.dist-info/METADATA", "Name: half\n\nVersion: 1\n")
    write(path / "whole-1.dist-info/METADATA", "Name: whole\nVersion: 1\n")
    (path / "outside-1.dist-info").symlink_to("/etc")
    found = read(path)
    assert purls(found) == EXPECTED["wheelhouse"] | {"pkg:pypi/whole@1"}
    assert [each.split()[0] for each in found.unread] == [
        "bad.whl",
        "cut-1-py3-none-any.whl",
        "half-1.dist-info",
        "other-1-py3-none-any.whl",
    ]


def test_nothing_is_read_past_its_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LARGEST", 1 << 20)
    monkeypatch.setattr(reading, "_HASHED", 4)
    path = vendor_folders.make("app-vendor-staging", tmp_path)
    with (path / "Cargo.lock").open("a") as stream:
        stream.write("#" * (1 << 20))
    assert "it is larger than 1 MiB" in read(path).unread[0]
    archive = vendor_folders.make("app-vendor.tar.gz", tmp_path)
    vendor_folders.archive(archive, CARGO_LOCK + "#" * (2 << 20))
    assert "it is larger than 1 MiB" in read(archive).unread[0]
    wheels = read(vendor_folders.make("wheelhouse", tmp_path))
    assert all(each.digest is None for each in wheels.packages)
    assert len(wheels.packages) == 2
    assert "Digests are told of the first" in wheels.unread[0]


def test_the_order_of_a_lock_changes_nothing(tmp_path: Path) -> None:
    path = vendor_folders.make("app-vendor-staging", tmp_path)
    told = read(path)
    head, *crates = CARGO_LOCK.split("\n[[package]]\n")
    write(path / "Cargo.lock", "\n[[package]]\n".join([head, *reversed(crates), crates[1]]))
    assert read(path) == told
    shutil.rmtree(path / "git")
    assert shape_of(path, path.name) is Shape.CRATES
