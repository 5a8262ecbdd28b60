"""Fixed outputs with vendored dependencies, small and of the shapes that nixpkgs's fetchers give them."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

H1 = "h1:" + base64.b64encode(hashlib.sha256(b"list").digest()).decode()
SHA512 = hashlib.sha512(b"tgz").digest()
SHA256 = hashlib.sha256(b"crate").hexdigest()
COMMIT = "0123456789abcdef0123456789abcdef01234567"
CARGO_LOCK = f"""\
version = 4

[[package]]
name = "mine"
version = "0.1.0"
dependencies = ["serde"]

[[package]]
name = "serde"
version = "1.0.219"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "{SHA256}"

[[package]]
name = "forked"
version = "0.3.0+build.1"
source = "git+https://git.example.org/forked.git?branch=main#{COMMIT}"

[[package]]
name = "private"
version = "2.0.0"
source = "sparse+https://crates.example.org/index/"
checksum = "{"ab" * 32}"
"""
PACKAGE_LOCK = json.dumps(
    {
        "name": "mine",
        "version": "1.0.0",
        "lockfileVersion": 3,
        "packages": {
            "": {"name": "mine", "version": "1.0.0", "dependencies": {"@babel/core": "^7"}},
            "packages/own": {"name": "own", "version": "1.0.0"},
            "node_modules/own": {"resolved": "packages/own", "link": True},
            "node_modules/@babel/core": {
                "version": "7.26.0",
                "resolved": "https://npm.example.org/@babel/core/-/core-7.26.0.tgz",
                "integrity": f"sha1-AAAA sha512-{base64.b64encode(SHA512).decode()}",
            },
            "node_modules/@babel/core/node_modules/alias": {
                "name": "semver",
                "version": "6.3.1",
                "integrity": "sha1-" + base64.b64encode(bytes(20)).decode(),
            },
            "node_modules/from-git": {
                "version": "1.0.0",
                "resolved": "git+ssh://git@git.example.org/from-git.git#" + "ab" * 20,
            },
        },
    }
)
MODULES = """\
# github.com/BurntSushi/toml v1.4.0
## explicit; go 1.18
github.com/BurntSushi/toml
github.com/BurntSushi/toml/internal
# golang.org/x/net v0.30.0 => golang.org/x/net v0.31.0
## explicit; go 1.18
golang.org/x/net/html
# example.org/unused v1.0.0
## explicit
# example.org/local v0.0.0 => ./local
example.org/local
# golang.org/x/net => golang.org/x/net v0.31.0
"""
GO_SUM = f"""\
github.com/BurntSushi/toml v1.4.0 {H1}
github.com/BurntSushi/toml v1.4.0/go.mod h1:no
golang.org/x/net v0.31.0/go.mod {H1}
"""
EXPECTED: Mapping[str, frozenset[str]] = {
    "app-vendor-staging": frozenset(
        {
            "pkg:cargo/serde@1.0.219",
            f"pkg:cargo/forked@0.3.0%2Bbuild.1?vcs_url=git%2Bhttps://git.example.org/forked.git%40{COMMIT}",
            "pkg:cargo/private@2.0.0?repository_url=https://crates.example.org/index/",
        }
    ),
    "app-npm-deps": frozenset(
        {
            "pkg:npm/%40babel/core@7.26.0",
            "pkg:npm/semver@6.3.1",
            f"pkg:npm/from-git@1.0.0?vcs_url=git%2Bssh://git%40git.example.org/from-git.git%40{'ab' * 20}",
        }
    ),
    "app-go-modules": frozenset(
        {"pkg:golang/github.com/burntsushi/toml@v1.4.0", "pkg:golang/golang.org/x/net@v0.31.0"}
    ),
    "proxied-go-modules": frozenset({"pkg:golang/github.com/burntsushi/toml@v1.4.0%2Bincompatible"}),
    "wheelhouse": frozenset({"pkg:pypi/six@1.17.0", "pkg:pypi/jinja2@3.1.4"}),
}
EXPECTED = {**EXPECTED, "app-vendor.tar.gz": EXPECTED["app-vendor-staging"]}


def make(name: str, folder: Path) -> Path:
    """The fixed output of this name, a key of `EXPECTED`, in a folder."""
    path = folder / name
    _MAKERS[name](path)
    return path


def write(path: Path, text: str | bytes = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


def staging(path: Path, lock: str = CARGO_LOCK) -> None:
    write(path / "Cargo.lock", lock)
    write(path / "tarballs/serde-1.0.219.tar.gz", "crate")
    write(path / f"git/{COMMIT}/Cargo.toml")


def archive(path: Path, lock: str | None = CARGO_LOCK) -> None:
    names = {
        "app-vendor/.cargo/config": "",
        "app-vendor/Cargo.lock": lock,
        "app-vendor/serde/Cargo.lock": "no",
    }
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for name, text in names.items():
            if text is not None:
                member = tarfile.TarInfo(name)
                member.size = len(text)
                tar.addfile(member, io.BytesIO(text.encode()))
    write(path, gzip.compress(plain.getvalue()))


def npm_deps(path: Path, lock: str = PACKAGE_LOCK) -> None:
    write(path / "package-lock.json", lock)
    write(path / "_cacache/index-v5/aa/bb/cc", "{}")


def go_modules(path: Path, modules: str = MODULES) -> None:
    write(path / "modules.txt", modules)
    write(path / "github.com/BurntSushi/toml/decode.go", "package toml\n")


def go_proxy(path: Path) -> None:
    versions = path / "github.com/!burnt!sushi/toml/@v"
    write(versions / "v1.4.0+incompatible.zip", "zip")
    write(versions / "v1.4.0+incompatible.ziphash", H1)
    write(versions / "v1.5.0.mod", "module github.com/BurntSushi/toml\n")


def wheelhouse(path: Path) -> None:
    write(path / "six-1.17.0-py2.py3-none-any.whl", wheel("six", "1.17.0", "MIT"))
    write(path / "jinja2-3.1.4.tar.gz", "sdist")
    write(path / "README.txt", "no")


def wheel(name: str, version: str, license_: str = "") -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        metadata = ["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}"]
        metadata += [f"License-Expression: {license_}", "", "Name: no", ""]
        entry = zipfile.ZipInfo(f"{name}-{version}.dist-info/METADATA")  # of 1980: the same bytes whenever
        archive.writestr(entry, "\n".join(metadata))
    return data.getvalue()


_MAKERS: Mapping[str, Callable[[Path], None]] = {
    "app-vendor-staging": staging,
    "app-vendor.tar.gz": archive,
    "app-npm-deps": npm_deps,
    "app-go-modules": go_modules,
    "proxied-go-modules": go_proxy,
    "wheelhouse": wheelhouse,
}
