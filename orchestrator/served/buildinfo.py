"""What a .buildinfo file says of a build: what was installed, where it was built, what came of it. Pure.

deb-buildinfo(5). Its signature is not judged: what it says is tried, and the comparison decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from orchestrator.ground.errors import TallyError
from orchestrator.served.control import paragraphs

_INSTALLED: Final = re.compile(r"([a-z0-9][a-z0-9+.-]+)(?::([a-z0-9-]+))? \(= ([0-9][A-Za-z0-9.+~:-]*)\)")
_VARIABLE: Final = re.compile(r'([A-Z_]+)="([^"\\]*)"')
_PATH: Final = re.compile(r"/build(/[A-Za-z0-9][A-Za-z0-9.+~_-]*)+")
_HINT: Final = "a .buildinfo file is what dpkg-genbuildinfo wrote beside the package"


@dataclass(frozen=True, slots=True)
class Buildinfo:
    """What one says."""

    source: str
    version: str
    files: Mapping[str, str]
    """What was built: a file's name to its sha256."""
    installed: Mapping[str, str]
    """A package's name to its version; of another architecture as `NAME:ARCH`."""
    options: tuple[str, ...]
    """DEB_BUILD_OPTIONS, how many cores there were aside."""
    path: str | None
    """Where it was built, if that can be had here."""


def parse(text: str, place: str, architecture: str) -> Buildinfo:
    """Read one, signed in its text or not. Raises TallyError with what is missing."""
    fields = next((each for each in paragraphs(_bare(text)) if "Installed-Build-Depends" in each), None)
    if fields is None or not {"Source", "Version", "Checksums-Sha256"} <= fields.keys():
        raise TallyError(
            f"{place} is no .buildinfo file of a build: it has no Installed-Build-Depends", hint=_HINT
        )
    installed = dict(_installed(fields["Installed-Build-Depends"], place, architecture))
    files = {}
    for line in filter(None, fields["Checksums-Sha256"].splitlines()):
        words = line.split()
        if len(words) != 3 or not re.fullmatch("[0-9a-f]{64}", words[0]):
            raise TallyError(f"{place}: {line[:80]!r} is no file's sha256, size and name", hint=_HINT)
        files[words[2]] = words[0]
    variables = dict(_VARIABLE.findall(fields.get("Environment", "")))
    options = variables.get("DEB_BUILD_OPTIONS", "").split()
    path = fields.get("Build-Path", "")
    return Buildinfo(
        fields["Source"].partition(" ")[0],
        fields["Version"],
        files,
        installed,
        tuple(sorted(each for each in options if not each.startswith("parallel"))),
        path if _PATH.fullmatch(path) else None,
    )


def _bare(text: str) -> str:
    """The text without the armour of a signature around it."""
    found = re.search(
        r"-----BEGIN PGP SIGNED MESSAGE-----\n(?:[^\n]+\n)*\n(.*?)-----BEGIN PGP SIGNATURE-----",
        text,
        re.DOTALL,
    )
    return text if found is None else re.sub(r"^- ", "", found[1], flags=re.MULTILINE)


def _installed(text: str, place: str, architecture: str) -> Iterator[tuple[str, str]]:
    for clause in filter(None, (" ".join(each.split()) for each in text.split(","))):
        found = _INSTALLED.fullmatch(clause)
        if found is None:
            raise TallyError(f"{place}: {clause[:80]!r} names no package with its version", hint=_HINT)
        name, qualifier, version = found.groups()
        yield name if qualifier in (None, architecture) else f"{name}:{qualifier}", version
