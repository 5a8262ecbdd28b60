"""Versions, each in the order of its own kind, as univers knows it. Pure."""

from __future__ import annotations

from typing import Any, Final

ORDERED: Final = frozenset(
    {"alpm", "apk", "cargo", "composer", "deb", "ebuild", "gem", "golang", "hex", "maven", "npm", "nuget"}
    | {"pypi", "rpm"}
)
"""Types of package URLs whose versions have an order: one has several spellings. A commit has one."""


def ordered(kind: str, text: str) -> Any:
    """A version that can be compared with others of its kind. Raises ValueError."""
    from univers.version_range import RANGE_CLASS_BY_SCHEMES

    version_class: Any = RANGE_CLASS_BY_SCHEMES[kind].version_class
    try:
        return version_class(text)
    except Exception as error:  # its parsers of versions raise what they like, bare Exceptions too
        raise ValueError(f"its version {text!r} cannot be compared") from error


def same(one: Any, other: Any) -> bool:
    """Whether neither of two versions is the later one: `1.0` and `1.00` of `deb` are not `==`."""
    return bool(one == other) or not (one < other or one > other)
