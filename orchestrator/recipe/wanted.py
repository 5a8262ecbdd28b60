"""What a request needs from outside: fixed outputs, each with its digest and where to look. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from orchestrator.ground.digest import NarHash, OtherDigest, Sha256


@dataclass(frozen=True, slots=True)
class Extras:
    """What a git tree is to hold besides the files that its commit has."""

    submodules: bool = False
    """Whether submodules are brought in; else each is an empty folder."""
    lfs: bool | None = None
    """Whether git-lfs's files are brought in, or (False) their pointers kept; None: these are refused."""


PLAIN = Extras()


@dataclass(frozen=True, slots=True)
class Wanted:
    """One file or folder to fetch. Its place in the state folder is `sources/<hex>/<name>`."""

    name: str
    """Store-safe."""
    digest: Sha256 | NarHash | OtherDigest
    """A flat file's sha256 or sha512, or the NAR hash of a folder."""
    urls: tuple[str, ...]
    """Addresses to try in order; `git+URL@REV` is a commit's tree, `path:PATH@REV` one of this repository."""
    package: Wanted | None = None
    """The `.deb` that the folder's one executable is taken from."""
    extras: Extras = PLAIN
    users: tuple[str, ...] = field(default=(), compare=False)
    """The recipes that need it, where they are known."""
    lock: str | None = field(default=None, compare=False)
    """The lock file of a project that pins it, and the line, as messages have them."""

    @property
    def is_folder(self) -> bool:
        """Whether its digest is of a NAR."""
        return isinstance(self.digest, NarHash)

    @property
    def algorithm(self) -> str:
        """Of its digest, as Nix spells it."""
        return self.digest.algorithm if isinstance(self.digest, OtherDigest) else "sha256"

    @property
    def is_tree(self) -> bool:
        """Whether it is a folder out of a repository."""
        return isinstance(self.digest, NarHash) and self.package is None


def pinned(value: Mapping[str, Any]) -> Sha256 | NarHash | OtherDigest:
    """The digest of one fixed output of a request."""
    if "sha512" in value:
        return OtherDigest("sha512", value["sha512"], nar=False)
    return NarHash(value["sha256"]) if value["mode"] == "recursive" else Sha256(value["sha256"])


DEBIANS = ("debian", "files")
"""Toolchains that stand on a set of Debian packages."""


def files_of(recipe: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """What a toolchain is made of besides packages, of one recipe of a request."""
    toolchain: Mapping[str, Any] = recipe.get("toolchain", {})
    return (*toolchain.get("files", ()), *toolchain.get("layers", ()))


def dependencies_of(recipe: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What lock files pin, of one recipe of a request: each is a fixed output."""
    for lock in recipe.get("dependencies", ()):
        yield from lock["packages"]


def _lines(name: str, recipe: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], str]]:
    """The same, each with where it is pinned."""
    for lock in recipe.get("dependencies", ()):
        for each in lock["packages"]:
            yield each, f"{lock['lock']} in the source {lock['source']} of {name}, line {each['line']}"


def wanted_from(value: Mapping[str, Any]) -> Wanted:
    """One fixed output of a request."""
    package = value.get("package")
    digest = pinned(value)
    extras = Extras(value.get("submodules", False), value.get("lfs"))
    below = wanted_from(package) if package else None
    return Wanted(value["name"], digest, tuple(value["urls"]), below, extras)


def fixed_outputs(request: Mapping[str, Any]) -> tuple[Wanted, ...]:
    """Everything that must be fetched before a request can be built, each digest once, sorted by name."""
    found: dict[tuple[str, str, Extras], Wanted] = {}
    for value, users, lock in _values(request):
        wanted = replace(wanted_from(value), users=users, lock=lock)
        found.setdefault((wanted.digest.hex, wanted.name, wanted.extras), wanted)
    return tuple(sorted(found.values(), key=lambda wanted: (wanted.name, wanted.digest.hex)))


def _values(
    request: Mapping[str, Any],
) -> Iterator[tuple[Mapping[str, Any], tuple[str, ...], str | None]]:
    """Each fixed output with the recipes that need it, and with what pins it where a project's lock does."""
    users: dict[str, list[str]] = {}
    for name, recipe in sorted(request["recipes"].items()):
        for file in recipe["toolchain"]["packages"] if recipe["toolchain"]["from"] == "debian" else ():
            users.setdefault(file, []).append(name)
    if request["busybox"] is not None:
        yield request["busybox"], tuple(sorted({name for names in users.values() for name in names})), None
    for file, value in request["packages"].items():
        yield value, tuple(users.get(file, ())), None
    for name, recipe in request["recipes"].items():
        for source in (*recipe["sources"].values(), *files_of(recipe)):
            yield source, (name,), None
        for each, lock in _lines(name, recipe):
            yield each, (name,), lock
