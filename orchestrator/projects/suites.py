"""Which Debian release has a tool that is new enough. Pure.

Versions are those of the releases themselves, which do not change; `tally lock` finds what they have now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from packaging.specifiers import InvalidSpecifier, SpecifierSet

OLDER: Final = "bookworm"
NEWER: Final = "trixie"
_HAS: Final[Mapping[str, tuple[str, str]]] = {
    "cmake": ("3.25.1", "3.31.6"),
    "cython": ("0.29.32", "3.0.11"),
    "flit-core": ("3.8.0", "3.12.0"),
    "go": ("1.19", "1.24"),
    "hatch-vcs": ("0.3.0", "0.4.0"),
    "hatchling": ("1.12.2", "1.27.0"),
    "meson": ("1.0.1", "1.7.0"),
    "node": ("18.20.4", "20.19.2"),
    "poetry-core": ("1.4.0", "2.1.2"),
    "python": ("3.11.2", "3.13.5"),
    "rust": ("1.63", "1.85"),
    "setuptools": ("66.1.1", "78.1.1"),
    "setuptools-scm": ("7.1.0", "8.2.1"),
    "wheel": ("0.38.4", "0.46.1"),
}
"""Tool to its version in each of the two."""


def has(tool: str, suite: str) -> str | None:
    """A tool's version there; None: it is not known."""
    found = _HAS.get(tool)
    return found[suite == NEWER] if found else None


def fits(tool: str, bounds: str, suite: str) -> bool:
    """Whether it is within bounds there, as `>=61, <80`. What is not known fits."""
    version = has(tool, suite)
    try:
        return version is None or SpecifierSet(bounds).contains(version, prereleases=True)
    except InvalidSpecifier:
        return True


def fitting(asked: Iterable[tuple[str, str]]) -> str:
    """The release that tools with bounds are taken from: the older one where it has them, or neither does."""
    wanted = list(asked)
    older_fails = any(not fits(tool, bounds, OLDER) for tool, bounds in wanted)
    newer_has = all(fits(tool, bounds, NEWER) for tool, bounds in wanted if not fits(tool, bounds, OLDER))
    return NEWER if older_fails and newer_has else OLDER
