"""One name and version with different bytes: one of the two is not what it seems. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.dependencies.dependency import BadLock, Dependency


def refuse_doubles(found: Iterable[Dependency], place: str, hint: str = "find out which is meant") -> None:
    """Raises BadLock where one name and version has different bytes: dependency confusion."""
    first: dict[tuple[str, str], Dependency] = {}
    for each in found:
        known = first.setdefault((each.name, each.version), each)
        if known.digest != each.digest:
            raise BadLock(
                place,
                each.line,
                f"{each.name} {each.version} is there twice with different bytes: from {each.registry}, and "
                f"in line {known.line} from {known.registry}",
                hint=f"one name and version is one package: {hint}",
            )
