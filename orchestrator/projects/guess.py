"""A value that was guessed, and what it was guessed from. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from orchestrator.projects.suites import OLDER

OWN: Final = "project"
"""The project's source, where a recipe has several."""
FLAKE: Final = "flake"
"""The build system whose packages need no recipe."""
FILL_IN: Final = "FILL IN"
"""What marks a place in the recipe that nothing here says anything for."""


@dataclass(frozen=True, slots=True)
class Guess:
    """One value of the recipe."""

    value: str
    where: str
    """`FILE:LINE`, or what else says it, as `the folder's name`."""
    sure: bool = True
    """False: nothing says it, and it is there to be filled in."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What one kind of file says of the project. None: it says nothing of that."""

    name: Guess | None = None
    version: Guess | None = None
    summary: Guess | None = None
    homepage: Guess | None = None
    license: Guess | None = None

    def over(self, other: Claims) -> Claims:
        """These, and where they say nothing the other's."""
        return Claims(
            self.name or other.name,
            self.version or other.version,
            self.summary or other.summary,
            self.homepage or other.homepage,
            self.license or other.license,
        )


@dataclass(frozen=True, slots=True)
class Identity:
    """What a recipe says of its package, every value of it fit for a recipe."""

    name: Guess
    version: Guess
    summary: Guess
    homepage: Guess
    license: Guess
    remarks: tuple[str, ...] = ()
    """What somebody has to look at, since it was guessed boldly or not at all."""

    @property
    def items(self) -> tuple[tuple[str, Guess], ...]:
        """Each key of the recipe with its guess, in the order of recipes."""
        return (
            ("name", self.name),
            ("version", self.version),
            ("summary", self.summary),
            ("homepage", self.homepage),
            ("license", self.license),
        )


@dataclass(frozen=True, slots=True)
class Way:
    """How a project is built."""

    packages: tuple[Guess, ...]
    """Debian packages, each once."""
    script: str
    env: tuple[tuple[str, str], ...] = ()
    path: str | None = None
    """The one file that users download; None: all that is installed, as an archive."""
    check: str | None = None
    """What would run the project's own tests. It is written as a comment: tests need more than a build."""
    suite: str = OLDER
    """The Debian release that the packages are from."""
    tools: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()
    """Further sources, each with its keys. Where there are some, the project's own is called `OWN`."""
    locks: tuple[str, ...] = ()
    """Lock files in the source that name its dependencies."""
    member: str | None = None
    """The folder of the source whose dependencies these are, where locks are of several projects."""
    source: str | None = None
    """The folder of the workspace that is the source, from the repository's top; None: the project's own."""
    remarks: tuple[str, ...] = ()
    """What a reader should know: what was left out, and what is not known."""


@dataclass(frozen=True, slots=True)
class Sketch:
    """All that is known of a project: the recipe's contents, and what was found."""

    kind: str | None
    """The build system's name; None: none was recognised."""
    seen: str | None
    """The file by which it was recognised."""
    others: tuple[tuple[str, str], ...]
    """Further build systems that the project has, each with its file."""
    identity: Identity
    way: Way
    members: tuple[str, ...] = ()
    """Folders of a workspace whose top is no package itself: these are begun, and nothing here."""

    @property
    def target(self) -> str | None:
        """What is built without a recipe; None: it needs one."""
        return ".#default" if self.kind == FLAKE else None

    @property
    def complete(self) -> bool:
        """Whether the recipe says how to build it: else it has a place to fill in."""
        return FILL_IN not in self.way.script


def distinct(guesses: list[Guess]) -> tuple[Guess, ...]:
    """Each value once, as it was guessed first."""
    found: dict[str, Guess] = {}
    for each in guesses:
        found.setdefault(each.value, each)
    return tuple(found.values())
