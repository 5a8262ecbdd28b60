"""The recipe for a package in Debian's archive: its source package, built in Debian's own way."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Any, Final

import tomli_w

from orchestrator.recipe.names import NAME_LIMIT, VERSION_LIMIT, store_name
from orchestrator.recipe.values import address
from orchestrator.served.debian import Served
from orchestrator.served.settings import Setting

FOLDER: Final = "/build/reproducible-path"
"""Where Debian's own machines build."""
_LICENCE: Final = "LicenseRef-see-the-copyright-file"
_HOMEPAGE: Final = "https://not-told-in-the-index.invalid/"


@dataclass(frozen=True, slots=True)
class Way:
    """How a package is built."""

    options: tuple[str, ...]
    """Of DEB_BUILD_OPTIONS."""
    because: str
    published: bool
    """Whether they were read off the published file."""
    folder: str | None = None
    """Where; None: where Debian's own machines do."""
    entry: str | None = None
    """What a build of the same source once more has at the top of its changelog."""


def recipe_of(one: Served, names: tuple[str, ...], way: Way) -> bytes:
    """The recipe's text. `names`: the packages that it is built with."""
    sources = {
        f"file_{number}": {
            "url": f"mirror://debian/{file.pool}",
            "sha256": file.sha256,
            "unpack": False,
        }
        for number, file in enumerate(one.files)
    }
    values: dict[str, Any] = {
        "name": one.named.package[:NAME_LIMIT],
        "version": re.sub(r"[^A-Za-z0-9+._-]", "_", one.named.version)[:VERSION_LIMIT],
        "summary": f"The Debian package {one.named.package}, of the source {one.source} {one.source_version}"[
            :500
        ],
        "homepage": _homepage(one.homepage),
        "license": _LICENCE,
        "systems": ["x86_64-linux"],
        "sources": sources,
        "toolchain": {"from": "debian", "packages": list(names)},
        "build": {"script": _script(one, way)},
        "artifact": {"format": "file", "path": store_name(one.binary.file)},
    }
    return tomli_w.dumps(values, multiline_strings=True).encode()


def settings_of(one: Served, way: Way, packages: int, whence: str) -> tuple[Setting, ...]:
    """Every setting of the build."""
    kind = "all" if one.everywhere else "any"
    found = [
        Setting("tools", f"{packages} packages", whence, False),
        Setting(
            "dpkg-buildpackage", f"--build={kind}", "as Debian's own machines build such packages", False
        ),
    ]
    if way.options:
        found.append(Setting("DEB_BUILD_OPTIONS", " ".join(way.options), way.because, way.published))
    if way.entry is not None:
        found.append(
            Setting(
                "changelog entry", one.named.version, "the published package's, which no source has", True
            )
        )
    if way.folder is not None:
        found.append(Setting("folder", way.folder, "the .buildinfo file's Build-Path", False))
    return tuple(found)


def _script(one: Served, way: Way) -> str:
    kind = "all" if one.everywhere else "any"
    file, name = one.binary.file, store_name(one.binary.file)
    version = re.sub(r"^[0-9]+:|-[^-]*$", "", one.source_version)
    tree = way.folder or f"{FOLDER}/{one.source}-{version}"
    above = tree.rpartition("/")[0]
    lines = [
        "# dpkg-buildpackage takes the time of the changelog's last entry",
        "unset SOURCE_DATE_EPOCH",
        "# files belong to root by fakeroot's word alone: this sandbox has no other user",
        "export FAKEROOTDONTTRYCHOWN=1",
        *([f"export DEB_BUILD_OPTIONS={shlex.quote(' '.join(way.options))}"] if way.options else []),
        f"mkdir -p {shlex.quote(above)}",
        f"cd {shlex.quote(above)}",
        *(f"cp $src_file_{number} {shlex.quote(each.name)}" for number, each in enumerate(one.files)),
        f"dpkg-source --no-check -x {shlex.quote(one.files[0].name)} {shlex.quote(tree)}",
        f"cd {shlex.quote(tree)}",
        *(entered(way.entry) if way.entry is not None else []),
        f"dpkg-buildpackage -us -uc --build={kind}",
        "mkdir $out",
        f"cp {shlex.quote(f'../{file}')} $out/{shlex.quote(name)}",
    ]
    return "\n".join(lines) + "\n"


def entered(entry: str) -> list[str]:
    """The commands that put an entry on top of the changelog."""
    return [
        f"printf '%s\\n' {shlex.quote(entry)} | cat - debian/changelog > ../entered",
        "mv ../entered debian/changelog",
    ]


def _homepage(text: str | None) -> str:
    try:
        return str(address("https", "http").func(text or ""))
    except ValueError:
        return _HOMEPAGE
