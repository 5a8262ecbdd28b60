"""From what a build needs to wheels, as an index had them at a moment: the newest that fit.

No installer is asked, which might run what it installs. Wheels alone are taken: making build tools from
source is another rebuild.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from email.parser import BytesParser
from pathlib import Path
from typing import Final

from packaging.markers import UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from orchestrator.dependencies.python.interpreter import Interpreter, environment, ranks
from orchestrator.ground import zips
from orchestrator.ground.errors import TallyError
from orchestrator.sources.pyindex import File, Index

PYTHON: Final = Interpreter("3.11.2", 36, "x86_64")
"""Of the toolchain's python3."""
_ROUNDS: Final = 300
_LARGEST: Final = 8 << 20


@dataclass(frozen=True, slots=True)
class Pin:
    """One project of a build's surroundings."""

    project: str
    version: Version
    file: File
    because: str
    """Whose requirement it is."""


@dataclass
class Resolver:
    """Resolves one build's requirements."""

    index: Index
    before: datetime | None
    """What was uploaded then, as the file itself, or later is not there; None: the index tells no times."""
    fetch: Callable[[File], Path]

    def resolve(self, requirements: Iterable[tuple[str, str]], tool: Requirement | None) -> tuple[Pin, ...]:
        """Pins by project for requirements, each with who has it; `tool` is what wrote the wheel.

        Raises TallyError for what cannot be had.
        """
        wanted: dict[str, list[tuple[Requirement, str]]] = {}
        if tool is not None:
            wanted[canonicalize_name(tool.name)] = [(tool, "the wheel's Generator")]
        for text, because in requirements:
            self._add(wanted, text, because, ())
        chosen: dict[str, Pin] = {}
        extras: dict[str, frozenset[str]] = {}
        for _ in range(_ROUNDS):
            todo = next(
                (n for n in sorted(wanted) if not self._fits(chosen.get(n), wanted[n], extras.get(n))), None
            )
            if todo is None:
                return tuple(chosen[name] for name in sorted(chosen))
            if todo in chosen:
                _forget(chosen[todo], wanted, chosen)
            pin = chosen[todo] = self._choose(todo, wanted[todo])
            extras[todo] = frozenset(extra for each, _ in wanted[todo] for extra in each.extras)
            for text in self._requires(pin.file):
                self._add(wanted, text, f"{pin.project} {pin.version}", tuple(extras[todo]))
        raise TallyError("its build requirements cannot be resolved: they contradict each other")

    def _fits(
        self, pin: Pin | None, wanted: list[tuple[Requirement, str]], extras: frozenset[str] | None
    ) -> bool:
        if pin is None or extras != frozenset(extra for each, _ in wanted for extra in each.extras):
            return False
        return all(
            each.specifier.contains(pin.version, prereleases=True) for each, _ in self._binding(wanted)
        )

    def _binding(self, wanted: list[tuple[Requirement, str]]) -> list[tuple[Requirement, str]]:
        """What wrote the wheel is a fact; what a project says that it wants bends to it."""
        fact = [each for each in wanted if each[1] == "the wheel's Generator"]
        return fact or wanted

    def _add(
        self,
        wanted: dict[str, list[tuple[Requirement, str]]],
        text: str,
        because: str,
        extras: tuple[str, ...],
    ) -> None:
        try:
            requirement = Requirement(text)
            marker = requirement.marker
            applies = marker is None or any(
                marker.evaluate({**environment(PYTHON), "extra": extra}) for extra in ("", *extras)
            )
        except (InvalidRequirement, UndefinedEnvironmentName) as error:
            raise TallyError(f"{because} requires {text!r}, which cannot be read: {error}") from error
        if requirement.url is not None and applies:
            raise TallyError(
                f"{because} requires {requirement.name} from an address of its own, which is on no index"
            )
        held = wanted.setdefault(canonicalize_name(requirement.name), []) if applies else []
        if (str(requirement), because) not in [(str(each), whose) for each, whose in held]:
            held.append((requirement, because))

    def _choose(self, name: str, wanted: list[tuple[Requirement, str]]) -> Pin:
        specifier = SpecifierSet()
        for each, _ in self._binding(wanted):
            specifier &= each.specifier
        because = wanted[0][1]
        files = [f for f in self.index.files(name) if self._usable(f)]
        fitting = [f for f in files if specifier.contains(f.version, prereleases=False)]
        fitting = fitting or [f for f in files if specifier.contains(f.version, prereleases=True)]
        pinned = any(str(each).startswith("==") for each in specifier)
        fitting = [f for f in fitting if f.yanked is None or pinned]
        if not fitting:
            raise TallyError(
                f"no index has a wheel of {name}{specifier or ''} for Python "
                f"{PYTHON.short}{self._when()}, which {because} requires",
                hint="a build requirement without a wheel cannot be had: name one by hand in the recipe",
            )
        tags = ranks(PYTHON)
        newest = max(file.version for file in fitting)
        best = min(
            (f for f in fitting if f.version == newest),
            key=lambda f: (min(tags.get(tag, len(tags)) for tag in f.tags), f.name),
        )
        return Pin(name, newest, best, because)

    def _when(self) -> str:
        return "" if self.before is None else f" as of {self.before:%Y-%m-%d}"

    def _usable(self, file: File) -> bool:
        if not file.is_wheel or not any(tag in ranks(PYTHON) for tag in file.tags):
            return False
        if self.before is not None and file.uploaded is not None and file.uploaded >= self.before:
            return False
        try:
            return file.requires_python is None or SpecifierSet(file.requires_python).contains(PYTHON.version)
        except InvalidSpecifier:
            return True

    def _requires(self, file: File) -> list[str]:
        """What a wheel says that it needs."""
        try:
            with zipfile.ZipFile(self.fetch(file)) as archive:
                name = next(
                    each
                    for each in archive.namelist()
                    if each.endswith(".dist-info/METADATA") and each.count("/") == 1
                )
                with archive.open(name) as stream:
                    message = BytesParser().parsebytes(stream.read(_LARGEST))
        except (StopIteration, *zips.ERRORS) as error:
            raise TallyError(f"{file.name} cannot be read as a wheel: {error}") from error
        return [str(each) for each in message.get_all("Requires-Dist", [])]


def _forget(pin: Pin, wanted: dict[str, list[tuple[Requirement, str]]], chosen: dict[str, Pin]) -> None:
    """What a version required that is not taken after all is required no more."""
    gone = f"{pin.project} {pin.version}"
    for name in [each for each in wanted if each != pin.project]:
        wanted[name] = [each for each in wanted[name] if each[1] != gone]
        if not wanted[name]:
            del wanted[name]
            chosen.pop(name, None)
