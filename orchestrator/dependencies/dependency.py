"""What a lock file of any ecosystem says of one dependency, and of all of them. Pure values."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from orchestrator.ground.digest import OtherDigest, Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.values import dataclass


class Ecosystem(StrEnum):
    """Whose registry and rules; the value is what `kind` in a recipe says."""

    CARGO = "cargo"
    GO = "go"
    NPM = "npm"
    PYTHON = "python"

    @property
    def mirror(self) -> str:
        """The mirror that is its usual registry."""
        return "pypi" if self is Ecosystem.PYTHON else str(self)


@dataclass(frozen=True, slots=True)
class GoHash:
    """The hash that go.sum has: of a module's files and their names, not of its zip.

    Go modules reference, "go.sum files".
    """

    h1: str
    """With `h1:` in front, as go.sum writes it."""

    @property
    def text(self) -> str:
        """As tally.lock has it."""
        return self.h1


@dataclass(frozen=True, slots=True)
class YarnHash:
    """The checksum that locks of yarn 2 and later have: of the archive that yarn makes of a tarball."""

    checksum: str
    """With the archive's form in front, as yarn 4 writes it: `10c0/…`."""

    @property
    def text(self) -> str:
        """As tally.lock has it."""
        return self.checksum


@dataclass(frozen=True, slots=True)
class Unhashed:
    """A version of a registry's of which a lock file has no digest: what the registry gave is pinned."""

    text: str
    """`NAME@VERSION`, as tally.lock has it."""


@dataclass(frozen=True, slots=True)
class CommitTree:
    """The tree of a commit of a repository: a lock file has the commit, and no digest of the tree."""

    address: str
    """As the `git` of a recipe's source has it."""
    rev: str

    @property
    def url(self) -> str:
        return f"git+{self.address}@{self.rev}"

    @property
    def text(self) -> str:
        """As tally.lock has it."""
        return self.url


@dataclass(frozen=True, slots=True)
class Inside:
    """A package that lies in the file of another, or in the source: nothing is fetched for it."""

    name: str
    """As the registry spells it."""
    version: str
    path: str | None = None
    """Of a file of the source whose digest the lock has: where it is, from the lock's own folder."""
    digest: Sha256 | OtherDigest | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Dependency:
    """One package that a lock file pins, by a digest that the lock file has."""

    name: str
    """As the registry spells it."""
    version: str
    file: str
    """What its file is called; with `version` and the digest it is one file alone."""
    digest: Sha256 | OtherDigest | GoHash | YarnHash | Unhashed | CommitTree
    urls: tuple[str, ...]
    """Where it may be, most wanted first: `mirror://NAME/…` for a registry's; no credential in it."""
    registry: str
    """Whose it is: a mirror's name (`npm`, `pypi`, `cargo`, `go`), or the address that the lock names."""
    line: int
    """The line of the lock file that pins it, from 1."""
    direct: bool = True
    """Whether the project itself asks for it; else only what it asks for does."""
    shipped: bool = True
    """Whether users get it, as far as the lock says; else it serves building or testing alone."""
    needs: tuple[str, ...] = ()
    """Keys (`Dependency.key`) of those that it needs itself, sorted."""
    rev: str | None = None
    """The commit, where it is a tree out of a repository."""
    place: str | None = None
    """Where the project's own layout wants it: npm's `node_modules/…`."""
    inside: tuple[Inside, ...] = ()
    """What its file has in it, as the lock says."""
    part: str | None = None
    """The folder that it is of a repository's tree."""

    @property
    def key(self) -> str:
        """`NAME@VERSION`, and the place where one lock has the same twice."""
        return f"{self.name}@{self.version}" + (f" at {self.place}" if self.place else "")


@dataclass(frozen=True, slots=True)
class Locked:
    """All that one lock file pins."""

    ecosystem: Ecosystem
    dependencies: tuple[Dependency, ...]
    """By key, each once."""
    beside: Mapping[str, str]
    """What the format says besides, for the script that lays the files out: strings of the request."""
    inside: tuple[Inside, ...] = ()
    """What the lock says of packages that lie in the source itself."""


class BadLock(TallyError):
    """A lock file that cannot be followed: its version is unknown, a digest is missing, a branch moves, …"""

    def __init__(self, place: str, line: int | None, problem: str, *, hint: str) -> None:
        """`place` is the lock file as messages name it."""
        self.line, self.problem = line, problem
        super().__init__(f"{place}{'' if line is None else f', line {line}'}: {problem}", hint=hint)


class Untold(BadLock):
    """Something that the lock file does not say and that `tally lock` finds out, and has not yet."""
