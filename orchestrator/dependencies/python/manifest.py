"""pyproject.toml: what the project itself asks for. Pure.

Specifications: https://packaging.python.org/specifications/, "pyproject.toml" and "Dependency groups".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from orchestrator.dependencies import tomlfile
from orchestrator.dependencies.dependency import BadLock
from orchestrator.dependencies.python.interpreter import Interpreter
from orchestrator.dependencies.python.walk import holds
from orchestrator.ground.values import dataclass

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_AGAIN: Final = "mend pyproject.toml"


@dataclass(frozen=True, slots=True)
class Manifest:
    """The file's values, and how messages call it."""

    place: str
    values: Mapping[str, Any]

    @property
    def project(self) -> Mapping[str, Any]:
        return _table(self.values.get("project"))

    def tool(self, name: str) -> Mapping[str, Any]:
        return _table(_table(self.values.get("tool")).get(name))

    @property
    def is_dynamic(self) -> bool:
        """Whether a program says what it depends on."""
        return "dependencies" in _list(self.project.get("dynamic"))

    def main(self) -> tuple[Requirement, ...]:
        """What the project needs wherever it runs. Raises BadLock."""
        return tuple(self.requirement(each) for each in _list(self.project.get("dependencies")))

    def extras(self) -> Mapping[str, tuple[Requirement, ...]]:
        """By extra's name. Raises BadLock."""
        found = _table(self.project.get("optional-dependencies"))
        return {
            normalised(name): tuple(self.requirement(each) for each in _list(of))
            for name, of in found.items()
        }

    def expanded(self, wanted: Iterable[Requirement]) -> tuple[Requirement, ...]:
        """The same, with what stands for the project itself, as `project[extra]`, by what that needs."""
        own = normalised(str(self.project.get("name", "")))
        found: list[Requirement] = []
        queue, seen = list(wanted), set[str]()
        while queue:
            each = queue.pop(0)
            if normalised(each.name) != own:
                found.append(each)
                continue
            for extra in sorted(map(normalised, each.extras)):
                if extra not in seen:
                    seen.add(extra)
                    queue += self.extras().get(extra, ())
        return tuple(found)

    def group(self, name: str) -> tuple[Requirement, ...]:
        """What a dependency group has, those that it includes too. Raises BadLock."""
        return tuple(self._grouped(name, ()))

    def groups(self) -> tuple[str, ...]:
        return tuple(normalised(name) for name in _table(self.values.get("dependency-groups")))

    def _grouped(self, name: str, above: tuple[str, ...]) -> Iterator[Requirement]:
        if name in above:
            problem = f"the group {name} includes itself"
            raise BadLock(self.place, None, problem, hint=_AGAIN)
        groups = _table(self.values.get("dependency-groups"))
        for group, of in groups.items():
            if normalised(group) != normalised(name):
                continue
            for each in _list(of):
                if isinstance(each, dict) and isinstance(each.get("include-group"), str):
                    yield from self._grouped(each["include-group"], (*above, name))
                else:
                    yield self.requirement(each)

    def requirement(self, text: Any) -> Requirement:
        from packaging.requirements import InvalidRequirement, Requirement

        try:
            return Requirement(text if isinstance(text, str) else "")
        except (InvalidRequirement, RecursionError) as error:
            problem = f"{str(text)[:80]!r} is no requirement: {str(error).partition(chr(10))[0]}"
            raise BadLock(self.place, None, problem, hint=_AGAIN) from error


def unmet(
    requirements: Iterable[Requirement], interpreter: Interpreter, locked: Mapping[str, Iterable[str]]
) -> str | None:
    """Which of these the locked versions, by name, do not meet, as messages have it; None: they all are met.

    Raises ValueError for a marker that cannot be read.
    """
    for each in requirements:
        if not holds(str(each.marker) if each.marker else None, interpreter):
            continue
        versions = tuple(locked.get(normalised(each.name), ()))
        if not versions:
            return f"{each.name}, which is not in the lock"
        if each.url is None and not any(
            each.specifier.contains(version, prereleases=True) for version in versions
        ):
            return f"{each.name}{each.specifier}, and the lock has {' and '.join(versions)}"
    return None


def read(data: bytes, place: str) -> Manifest:
    """Raises BadLock."""
    return Manifest(place, tomlfile.read(data, place, _AGAIN).values)


def normalised(name: str) -> str:
    """The one spelling of a project's, an extra's or a group's name (PEP 503, 685, 735)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
