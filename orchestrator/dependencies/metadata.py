"""What a package says of itself in its own metadata: name, version, licence; a Go module its needs. Pure.

Where its metadata tells no licence, the files that are a licence's text do: `licence_texts` knows them.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any, Final, assert_never

from orchestrator.dependencies import go_mod
from orchestrator.dependencies.dependency import BadLock, Ecosystem
from orchestrator.ground.values import dataclass

FILES: Final = {
    Ecosystem.NPM: re.compile(r"[^/]+/package\.json"),
    Ecosystem.CARGO: re.compile(r"[^/]+/Cargo\.toml"),
    Ecosystem.GO: re.compile(r"[^@]+@[^/@]+/go\.mod"),
    Ecosystem.PYTHON: re.compile(r"[^/]+\.dist-info/METADATA|[^/]+/PKG-INFO"),
}
"""Where in a package's file its metadata is. A Go module's says what it needs, and no licence."""
TEXTS: Final = {
    Ecosystem.NPM: re.compile(r"[^/]+/([^/]+)"),
    Ecosystem.CARGO: re.compile(r"[^/]+/([^/]+)"),
    Ecosystem.GO: re.compile(r"[^@]+@[^/@]+/([^/]+)"),
    Ecosystem.PYTHON: re.compile(r"[^/]+-\d[^/]*/(?:licen[cs]es/(?:.+/)?)?([^/]+)"),
}
"""Where in a package's file licences' texts are; the group is the file's own name."""
_CLASSIFIERS: Final = {
    "Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
    "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication": "CC0-1.0",
    "European Union Public Licence 1.2 (EUPL 1.2)": "EUPL-1.2",
    "GNU Affero General Public License v3": "AGPL-3.0-only",
    "GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "Zero-Clause BSD (0BSD)": "0BSD",
    "zlib/libpng License": "Zlib",
}
"""PyPI's classifiers of one licence. Those of several, as `BSD License`, tell none."""

_OTHER: Final = "Other/Proprietary License"
_REFUSES: Final = re.compile(r"(?i)\bunlicen[cs]ed\b|proprietary|commercial|closed|confidential")
_BESIDE: Final = re.compile(r"(?i)authors|notice")
"""Files that setuptools calls licences, too."""
_SEE: Final = re.compile(r"(?i)see licen[cs]e in (?:\./)?(.+)")


@dataclass(frozen=True, slots=True)
class Metadata:
    """What was not told is None."""

    name: str | None
    version: str | None
    license: str | None
    """As it is written there."""
    needs: tuple[str, ...] = ()
    """Of a Go module: `PATH@VERSION`, what its go.mod requires."""
    texts: tuple[str, ...] = ()
    """Files that it says its licence is in, by their paths."""

    @property
    def refuses(self) -> bool:
        """Whether it says that its licence is none for everybody, so that no text gives one."""
        return self.license is not None and _REFUSES.search(self.license) is not None

    def is_of(self, ecosystem: Ecosystem, name: str, version: str) -> bool:
        """Whether it can be the metadata of this package."""
        return (self.name is None or _plain(ecosystem, self.name) == _plain(ecosystem, name)) and (
            self.version is None or _same(ecosystem, self.version, version)
        )


def read(ecosystem: Ecosystem, data: bytes) -> Metadata | None:
    """The metadata in one of `FILES`; None: it cannot be read."""
    match ecosystem:
        case Ecosystem.NPM:
            return _npm(data)
        case Ecosystem.CARGO:
            return _cargo(data)
        case Ecosystem.PYTHON:
            return _python(data)
        case Ecosystem.GO:
            return _go(data)
        case _:
            assert_never(ecosystem)


def _npm(data: bytes) -> Metadata | None:
    try:
        told = json.loads(data.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    licence = told.get("license", told.get("licence"))
    several = licence if isinstance(licence, list) else told.get("licenses")
    if (licence is None or several is licence) and isinstance(several, list):  # as before npm 2
        names = [text for each in several if (text := _named(each)) is not None]
        licence = " OR ".join(names) if names and len(names) == len(several) else None
    licence = _named(licence)
    see = _SEE.fullmatch(licence.strip()) if licence else None
    texts = (see[1],) if see else ()
    return Metadata(_text(told.get("name")), _text(told.get("version")), licence, (), texts)


def _named(licence: Any) -> str | None:
    return _text(licence.get("type")) if isinstance(licence, dict) else _text(licence)


def _cargo(data: bytes) -> Metadata | None:
    try:
        told = tomllib.loads(data.decode("utf-8", "replace")).get("package")
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    licence = _text(told.get("license"))
    # `MIT/Apache-2.0` is how crates said OR before they had expressions
    licence = licence.replace("/", " OR ") if licence else None
    file = _text(told.get("license-file"))
    texts = (file.removeprefix("./"),) if file else ()
    return Metadata(_text(told.get("name")), _text(told.get("version")), licence, (), texts)


def _go(data: bytes) -> Metadata | None:
    """Its own name is not told: what stands in for a module goes by that one's name."""
    try:
        told = go_mod.read(data, "go.mod")
    except BadLock:
        return None
    return Metadata(None, None, None, tuple(each.module.key for each in told.required))


def _python(data: bytes) -> Metadata:
    told: dict[str, str] = {}
    classifiers, texts = [], []
    for line in re.sub(r"\r?\n[ \t]+(?=\S)", " ", data.decode("utf-8", "replace")).splitlines():
        if not line:  # the description follows
            break
        key, mark, value = line.partition(":")
        if mark:
            told.setdefault(key.lower(), value.strip())
        if key.lower() == "classifier" and value.strip().startswith("License :: "):
            classifiers.append(value.rpartition(" :: ")[2].strip())
        if key.lower() == "license-file" and not _BESIDE.match(value.strip()):
            texts.append(value.strip())
    return Metadata(told.get("name"), told.get("version"), _licence(told, classifiers), (), tuple(texts))


def _licence(told: Mapping[str, str], classifiers: list[str]) -> str | None:
    """Before License-Expression (PEP 639) a word in License, or the one classifier, may say the same."""
    free = told.get("license", "")
    if _OTHER in classifiers and not told.get("license-expression"):
        return _OTHER
    by_classifier = _CLASSIFIERS.get(classifiers[0]) if len(classifiers) == 1 else None
    return told.get("license-expression") or (
        free if free and " " not in free and free != "UNKNOWN" else by_classifier or free or None
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _plain(ecosystem: Ecosystem, name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower() if ecosystem is Ecosystem.PYTHON else name.lower()


def _same(ecosystem: Ecosystem, one: str, other: str) -> bool:
    if ecosystem is not Ecosystem.PYTHON:
        return _number(one) == _number(other)
    from packaging.version import Version

    try:
        return Version(one) == Version(other)
    except ValueError:  # no version, or one with more digits than Python reads
        return one.lower() == other.lower()


def _number(version: str) -> str:
    """Without what registries take off: `v1.0.0`, `=1.0.0`, `1.0.0+build`."""
    return version.strip().lstrip("=vV ").partition("+")[0]
