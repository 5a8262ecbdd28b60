"""From what a project asks for to all that it needs, over the edges of its lock; circles are legal. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from orchestrator.dependencies.python.interpreter import Interpreter, environment
from orchestrator.ground.values import dataclass


@dataclass(frozen=True, slots=True)
class Edge:
    """One dependency of a package, as its lock has it."""

    to: int
    """Which of the lock's packages."""
    extras: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reached:
    """What was reached, from some packages on."""

    needs: Mapping[int, frozenset[int]]
    """Each package that was reached, with those that it needs itself."""
    direct: frozenset[int]


Follow = Callable[[int, str | None], Iterable[Edge]]
"""The edges of a package, or those that one of its extras adds. May raise BadLock."""


def places(names: Iterable[str]) -> Mapping[str, Sequence[int]]:
    """Where in a lock the packages of each name are."""
    found: dict[str, list[int]] = {}
    for at, name in enumerate(names):
        found.setdefault(name, []).append(at)
    return found


def reached(roots: Iterable[Edge], follow: Follow) -> Reached:
    """All packages from these edges on, each once."""
    needs: dict[int, set[int]] = {}
    queue: deque[tuple[int, str | None]] = deque()
    seen: set[tuple[int, str | None]] = set()

    def go(edge: Edge) -> None:
        needs.setdefault(edge.to, set())
        for extra in (None, *edge.extras):
            if (edge.to, extra) not in seen:
                seen.add((edge.to, extra))
                queue.append((edge.to, extra))

    direct = set()
    for edge in roots:
        direct.add(edge.to)
        go(edge)
    while queue:
        at, extra = queue.popleft()
        for edge in follow(at, extra):
            go(edge)
            if edge.to != at:
                needs[at].add(edge.to)
    return Reached({at: frozenset(found) for at, found in needs.items()}, frozenset(direct))


def holds(marker: str | None, interpreter: Interpreter, extras: Iterable[str] = ()) -> bool:
    """Whether a marker is true there, with any of the extras or none. Raises ValueError for a bad one."""
    return not marker or _holds(marker, interpreter, tuple(extras))


@lru_cache(maxsize=20_000)  # the same few stand in a lock again and again
def _holds(marker: str, interpreter: Interpreter, extras: tuple[str, ...]) -> bool:
    from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName

    try:
        parsed = Marker(marker)
        values: dict[str, Any] = dict(environment(interpreter))
        return any(parsed.evaluate({**values, "extra": extra}) for extra in ("", *extras))
    except (InvalidMarker, RecursionError, UndefinedComparison, UndefinedEnvironmentName) as error:
        why = str(error).partition("\n")[0]
        raise ValueError(f"the marker {marker[:100]!r} cannot be read: {why}") from error


def fits(wanted: str | None, interpreter: Interpreter) -> bool:
    """Whether the Python is one that `requires-python` wants. Raises ValueError for what is none."""
    if not wanted or wanted.strip() == "*":
        return True
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return SpecifierSet(wanted).contains(interpreter.version, prereleases=True)
    except InvalidSpecifier as error:
        raise ValueError(f"the Python that it requires cannot be read: {wanted[:100]!r}") from error
