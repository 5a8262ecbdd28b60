"""Versions as Poetry writes them, with its `^`, `~` and `||`. Pure.

Format: https://python-poetry.org/docs/dependency-specification/.
"""

from __future__ import annotations

import re
from typing import Final

_PART: Final = re.compile(r"(\^|~=|~|===|==|!=|>=|<=|>|<|=)?\s*([0-9][^\s,|]*|\*)")


def allows(constraint: str, version: str) -> bool:
    """Whether a version is one that a constraint wants. Raises ValueError for what is none."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    for alternative in re.split(r"\s*\|\|?\s*", constraint.strip()):
        rest = re.sub(r"[\s,]", "", _PART.sub("", alternative))
        if rest:
            raise ValueError(f"{constraint[:80]!r} is no version that Poetry writes")
        parts = [_part(found[1] or "", found[2]) for found in _PART.finditer(alternative)]
        try:
            if SpecifierSet(",".join(part for part in parts if part)).contains(version, prereleases=True):
                return True
        except InvalidSpecifier as error:
            raise ValueError(f"{constraint[:80]!r} is no version that Poetry writes") from error
    return False


def _part(operator: str, version: str) -> str:
    if version == "*":
        return ""
    numbers = [int(each) for each in re.match(r"[0-9.]*", version)[0].split(".") if each]  # type: ignore[index]
    match operator:
        case "^":
            at = next((n for n, each in enumerate(numbers) if each), len(numbers) - 1)
            return f">={version},<{_next(numbers, at)}"
        case "~":
            return f">={version},<{_next(numbers, min(1, len(numbers) - 1))}"
        case "" | "=":
            return f"=={version}"
        case _:
            return f"{operator}{version}"


def _next(numbers: list[int], at: int) -> str:
    return ".".join(map(str, [*numbers[:at], numbers[at] + 1]))
