"""What a package says of itself in its own metadata: name, version and licence. Pure."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any, Final, assert_never

from orchestrator.dependencies.dependency import Ecosystem
from orchestrator.ground.values import dataclass

FILES: Final = {
    Ecosystem.NPM: re.compile(r"[^/]+/package\.json"),
    Ecosystem.CARGO: re.compile(r"[^/]+/Cargo\.toml"),
    Ecosystem.PYTHON: re.compile(r"[^/]+\.dist-info/METADATA|[^/]+/PKG-INFO"),
}
"""Where in a package's file its metadata is, of those ecosystems whose packages have any."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """What was not told is None."""

    name: str | None
    version: str | None
    license: str | None
    """As it is written there."""

    def is_of(self, ecosystem: Ecosystem, name: str, version: str) -> bool:
        """Whether it can be the metadata of this package."""
        return (self.name is None or _plain(ecosystem, self.name) == _plain(ecosystem, name)) and (
            self.version is None or _number(self.version) == _number(version)
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
            return None
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
    if licence is None and isinstance(several := told.get("licenses"), list):  # as before npm 2
        names = [text for each in several if (text := _named(each)) is not None]
        licence = " OR ".join(names) if names and len(names) == len(several) else None
    return Metadata(_text(told.get("name")), _text(told.get("version")), _named(licence))


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
    return Metadata(_text(told.get("name")), _text(told.get("version")), licence)


def _python(data: bytes) -> Metadata:
    told: dict[str, str] = {}
    for line in data.decode("utf-8", "replace").splitlines():
        if not line:  # the description follows
            break
        key, mark, value = line.partition(":")
        if mark and key[:1].strip():
            told.setdefault(key.lower(), value.strip())
    licence = told.get("license-expression") or told.get("license")
    return Metadata(told.get("name"), told.get("version"), licence)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _plain(ecosystem: Ecosystem, name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower() if ecosystem is Ecosystem.PYTHON else name.lower()


def _number(version: str) -> str:
    """Without what registries take off: `v1.0.0`, `=1.0.0`, `1.0.0+build`."""
    return version.strip().lstrip("=vV ").partition("+")[0]
