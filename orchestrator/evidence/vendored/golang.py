"""vendor/modules.txt, go.sum and a module proxy's files: the modules of a Go project. Pure.

Formats: https://go.dev/ref/mod#vendoring, #go-sum-files, #goproxy-protocol.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from orchestrator.dependencies.go_vendor import Vendored, modules
from orchestrator.evidence.vendored.package import NotRead, Package, counted, purl_of, word

_H1: Final = re.compile(r"h1:[A-Za-z0-9+/]{43}=")
_UPPER: Final = re.compile(r"!([a-z])")


def packages(data: bytes, sums: Mapping[tuple[str, str], str]) -> tuple[Package, ...]:
    """The modules of which packages are vendored. `sums` are of the project's go.sum. Raises NotRead."""
    return counted(_vendored(_text(data), sums))


def sums_of(data: bytes) -> Mapping[tuple[str, str], str]:
    """go.sum: module and version to `h1:…`, a digest of the module's list of files. Raises NotRead."""
    found = {}
    for line in _text(data).splitlines():
        parts = line.split()
        if len(parts) == 3 and not parts[1].endswith("/go.mod") and _H1.fullmatch(parts[2]):
            found[parts[0], parts[1]] = parts[2]
    return found


def module(path: str, version: str, sum_: str | None = None, replaces: str | None = None) -> Package:
    """One module. Raises NotRead for what has no package URL."""
    namespace, _, name = word(path, "a module").rpartition("/")
    if not name:
        raise NotRead(f"{path} is no module's path")
    notes = [f"It stands in place of {replaces}."] if replaces else []
    if sum_:
        notes.append(f"Its go.sum line has {sum_}, a digest of the module's list of files.")
    purl = purl_of("golang", name, word(version, f"the version of {path}"), namespace=namespace or None)
    return Package(path, version, purl, notes=tuple(notes))


def proxied(place: str, file: str, ziphash: str | None) -> Package:
    """A module by its place in a proxy's folder, `github.com/!burnt!sushi/toml/@v`, `v1.0.0.zip`."""
    plain = _UPPER.sub(lambda found: found[1].upper(), place.removesuffix("/@v"))
    version = _UPPER.sub(lambda found: found[1].upper(), file.removesuffix(".zip"))
    return module(plain, version, ziphash if ziphash and _H1.fullmatch(ziphash) else None)


def _vendored(text: str, sums: Mapping[tuple[str, str], str]) -> Iterator[Package]:
    for each in modules(text):
        if each.used and (found := _module(each, sums)) is not None:
            yield found


def _module(each: Vendored, sums: Mapping[tuple[str, str], str]) -> Package | None:
    match each.by:
        case () if not each.path:
            raise NotRead(f"its line {each.line} is before any module")
        case () if each.version:
            return module(each.path, each.version, sums.get((each.path, each.version)))
        case (other, version):
            return module(other, version, sums.get((other, version)), f"{each.path} {each.version}".strip())
        case (_,):  # a folder of the project's own
            return None
        case _:
            raise NotRead(f"the module in its line {each.line} is not understood")


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise NotRead(f"it is not UTF-8: {error}") from error
