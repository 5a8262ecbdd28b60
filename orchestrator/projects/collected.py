"""What build files ask for, as it is collected: packages, and remarks on what was left out. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from orchestrator.projects import needs
from orchestrator.projects.guess import Guess, distinct


@dataclass(slots=True)
class Collected:
    """Grows while files are read."""

    packages: list[Guess] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def add(self, where: str, *names: str) -> None:
        """Packages that are needed."""
        self.packages += [Guess(name, where) for name in names]

    def ask(self, what: str, where: str, names: Iterable[str] | None, *, optional: bool) -> None:
        """Something that `names` have, or that is not known (None). What is optional is told and left out."""
        if names is None:
            if not optional:
                self.remarks.append(f"{what} ({where}) is not known: add its Debian package to `packages`")
        elif not optional:
            self.add(where, *names)
        elif names := list(names):
            self.remarks.append(f"{what} ({where}) can be left out, and was: {', '.join(names)} has it")

    def module(self, name: str, where: str, *, optional: bool) -> None:
        """A module that pkg-config is asked for."""
        package = needs.of_module(name)
        names = None if package is None else [package] if optional else ["pkg-config", package]
        self.ask(f"the pkg-config module {name}", where, names, optional=optional)

    @property
    def each_package(self) -> tuple[Guess, ...]:
        """Each once."""
        return distinct(self.packages)

    @property
    def each_remark(self) -> tuple[str, ...]:
        """Each once."""
        return tuple(dict.fromkeys(self.remarks))
