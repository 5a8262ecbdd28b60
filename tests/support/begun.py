"""Small real projects that `tally init` looks at, as Debian and PyPI have them, in one repository.

Of each, what `tally init` should find is written down here; of iniconfig it was before the first build.
"""

from __future__ import annotations

import re
import subprocess
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.ground.digest import Sha256
from orchestrator.recipe.wanted import Wanted
from orchestrator.sources.folder import Sources
from orchestrator.sources.mirrors import Mirrors


@dataclass(frozen=True)
class Begun:
    """One project."""

    name: str
    """What `tally init` calls it."""
    address: str
    sha256: str
    kind: str | None
    """The build system; None: it has none that is known."""
    version: str
    license: str
    packages: tuple[str, ...]

    @property
    def folder(self) -> str:
        return self.name.lower()


def with_toolchain(recipe: Path, package: str) -> None:
    """Have a recipe that `tally init` wrote build with what lock and stores have: no root is made anew."""
    text = re.sub(r"(?m)^suite = .*\n", "", recipe.read_text())
    recipe.write_text(re.sub(r"(?m)^packages = .*$", f'packages = ["{package}"]', text))


C = ("gcc", "make", "libc6-dev")
_AUTORECONF = (*C, "autoconf", "automake")
_MESON = ("meson", "ninja-build", "gcc", "libc6-dev")

PROJECTS = (
    Begun(
        "hello",
        "debian/pool/main/h/hello/hello_2.10.orig.tar.gz",
        "31e066137a962676e89f69d1b65382de95a7ef7d914b8cb956f41ea72e0f516b",
        "configure",
        "2.10",
        "GPL-3.0-or-later",
        C,
    ),
    Begun(
        "tree",
        "debian/pool/main/t/tree/tree_2.1.0.orig.tar.gz",
        "0160c535bff2b0dc6a830b9944e981e3427380f63e748da96ced7071faebabf6",
        "make",
        "2.1.0",
        "GPL-2.0-or-later",
        C,
    ),
    Begun(
        "sl",
        "debian/pool/main/s/sl/sl_5.02.orig.tar.gz",
        "1e5996757f879c81f202a18ad8e982195cf51c41727d3fea4af01fdcbbb5563a",
        "make",
        "0",
        "LicenseRef-not-known",
        (*C, "libncurses-dev"),
    ),
    Begun(
        "ncompress",
        "debian/pool/main/n/ncompress/ncompress_4.2.4.6.orig.tar.gz",
        "fb7b6a00060bd4c6e35ba4cc96a5ca7e78c193e6267487dd53376d80e061836b",
        "make",
        "0",
        "Unlicense",
        C,
    ),
    Begun(
        "cowsay",
        "debian/pool/main/c/cowsay/cowsay_3.03+dfsg2.orig.tar.gz",
        "3b89965c7d6b19f321867e59d14d4aec820d36068f56d2b1e783498beeb4183e",
        None,
        "0",
        "LicenseRef-not-known",
        (),
    ),
    Begun(
        "cJSON",
        "debian/pool/main/c/cjson/cjson_1.7.15.orig.tar.gz",
        "5308fd4bd90cef7aa060558514de6a1a4a0819974a26e6ed13973c5f624c24b2",
        "cmake",
        "1.7.15",
        "MIT",
        ("cmake", *C),
    ),
    Begun(
        "libcue",
        "debian/pool/main/libc/libcue/libcue_2.2.1.orig.tar.gz",
        "f27bc3ebb2e892cd9d32a7bee6d84576a60f955f29f748b9b487b173712f1200",
        "cmake",
        "2.2.1",
        "GPL-2.0-only",
        ("cmake", *C, "bison", "flex"),
    ),
    Begun(
        "tinyxml2",
        "debian/pool/main/t/tinyxml2/tinyxml2_9.0.0+dfsg.orig.tar.xz",
        "96510f47a5db537f70dff3e83dd71fd2180cbba4aa76c589a549467e7f34bc9b",
        "meson",
        "9.0.0",
        "Zlib",
        (*_MESON, "g++"),
    ),
    Begun(
        "spng",
        "debian/pool/main/libs/libspng/libspng_0.7.3.orig.tar.gz",
        "a50cadbe808ffda1a7fab17d145f52a23b163f34b3eb3696c7ecb5a52340fc1d",
        "meson",
        "0.7.3",
        "BSD-2-Clause",
        (*_MESON, "pkg-config", "zlib1g-dev"),
    ),
    Begun(
        "confuse",
        "debian/pool/main/libc/libconfuse/libconfuse_3.3.orig.tar.xz",
        "51ddd10595c7febc663b90df304f872b6baf937cfb9f2f32ec1a0c545d05574c",
        "autoconf",
        "3.3",
        "ISC",
        (*_AUTORECONF, "libtool", "autopoint", "gettext", "flex"),
    ),
    Begun(
        "patchelf",
        "debian/pool/main/p/patchelf/patchelf_0.14.3.orig.tar.gz",
        "827a8ca914c69413f1ca0d967a637980a24edf000a938531a77e663317c853bb",
        "autoconf",
        "0.14.3",
        "GPL-3.0-or-later",
        (*_AUTORECONF, "g++"),
    ),
    Begun(
        "six",
        "pypi/six/six-1.16.0.tar.gz",
        "1e61c37477a1626458e36f7b1d82aa5c9b094fa4802892072e49de9c60c4c926",
        "python",
        "1.16.0",
        "MIT",
        ("python3", "python3-build", "python3-setuptools", "python3-wheel"),
    ),
    Begun(
        "tomli",
        "pypi/tomli/tomli-2.0.1.tar.gz",
        "de526c12914f0c550d15924c62d72abc48d6fe7364aa87328337a31007fe8a4f",
        "python",
        "2.0.1",
        "MIT",
        ("python3", "python3-build", "flit"),
    ),
    Begun(
        "iniconfig",
        "pypi/iniconfig/iniconfig-2.0.0.tar.gz",
        "2d91e135bf72d31a410b17c16da610a82cb55f6b0477d1a902134b24a455b8b3",
        "python",
        "2.0.0",
        "MIT",
        ("python3", "python3-build", "python3-hatchling", "python3-hatch-vcs"),
    ),
    Begun(
        "Try-Tiny",
        "debian/pool/main/libt/libtry-tiny-perl/libtry-tiny-perl_0.31.orig.tar.gz",
        "3300d31d8a4075b26d8f46ce864a1d913e0e8467ceeba6655d5d2b2e206c11be",
        "perl",
        "0.31",
        "MIT",
        ("perl", "make"),
    ),
)


def gather(folder: Path, state: Path, projects: Iterable[Begun] = PROJECTS) -> None:
    """A repository with the projects, a folder each, committed. What is not in the state yet is fetched."""
    sources = Sources(state / "sources", Mirrors())
    wanted = {
        each: Wanted(each.address.rpartition("/")[2], Sha256(each.sha256), (f"mirror://{each.address}",))
        for each in projects
    }
    sources.fetch_all(wanted.values())
    for each, archive in wanted.items():
        _unpack(sources.path(archive), folder / each.folder)
    commit(folder, "Projects as they are")


def commit(folder: Path, message: str) -> None:
    """All that is in the folder, in its own repository."""
    git = ["git", "-C", str(folder), "-c", "user.name=Tests", "-c", "user.email=tests@example.org"]
    for words in (
        ["init", "--quiet"],
        ["add", "--all", "--force"],
        ["commit", "--quiet", "--message", message],
    ):
        subprocess.run([*git, *words], check=True)


def _unpack(archive: Path, folder: Path) -> None:
    """What is in the archive's one folder."""
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
    [top] = folder.iterdir()
    for each in top.iterdir():
        each.rename(folder / each.name)
    top.rmdir()
