"""`tally.lock`: every outside input of the recipes, pinned by digest. Model, reader and text.

The same pins give the same bytes. No host is named: packages have their paths in the archive, and a recipe's
own addresses stay in the recipe.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictInt, ValidationError

from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import write_atomically
from orchestrator.recipe.explaining import explain, shown
from orchestrator.recipe.part import System
from orchestrator.recipe.recipe import Recipe
from orchestrator.recipe.suites import Suite, suite_of
from orchestrator.recipe.toml import parse_toml, read_bytes, toml_of
from orchestrator.recipe.values import Digest

Kind = Literal["url", "git", "pypi", "npm"]
FILE_NAME = "tally.lock"
HEADER = "# Written by `tally lock`. Do not edit: `tally lock --update NAME` resolves a recipe again.\n"

_BROKEN = "only `tally lock` writes this file: take it from git again, or remove it and run `tally lock`"
ARCHITECTURES: Mapping[str, str] = {
    "x86_64-linux": "amd64",
    "aarch64-linux": "arm64",
    "i686-linux": "i386",
    "armv7l-linux": "armhf",
    "riscv64-linux": "riscv64",
    "powerpc64le-linux": "ppc64el",
    "s390x-linux": "s390x",
}
"""Nix's names of systems to Debian's names of architectures."""


def _pool_path(value: str) -> str:
    if not re.fullmatch(r"pool(/[A-Za-z0-9+._~%:=-]+)+\.deb", value) or "/../" in value:
        raise ValueError(f"expected a path like pool/main/b/bash/bash_5.2_amd64.deb, got {value[:80]!r}")
    return value


def _plain(value: Any) -> Any:
    if not isinstance(value, str | int):
        raise ValueError("expected a string, a whole number, true or false")
    return value


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DebianPackage(_Entry):
    """One `.deb`, as Debian's signed index lists it."""

    name: str
    version: str
    architecture: str
    pool: Annotated[str, AfterValidator(_pool_path)]
    sha256: Digest
    size: Annotated[StrictInt, Field(ge=0)]
    license: str | None = None
    """An SPDX expression, when the package's copyright file is machine-readable."""
    snapshot: str | None = None
    """The time of a snapshot of the archive that has it."""
    source_version: str | None = None
    """The version of the source that it was built from, where that is not the package's own."""

    @property
    def file(self) -> str:
        """The file's name in the pool, which is its key in the lock and in requests."""
        return self.pool.rsplit("/", 1)[-1]


class DebianSet(_Entry):
    """Everything that one list of packages needs, shared by all who ask for the same list."""

    system: System
    suite: str | None = None
    """The Debian release that it is from; None: the lock's own, with all that belongs to it."""
    security: bool | None = None
    updates: bool | None = None
    snapshot: str | None = None
    request: tuple[str, ...]
    """What recipes, or a machine, ask for, sorted."""
    base: tuple[str, ...]
    """What every set holds beside, as it was when the set was resolved."""
    packages: tuple[str, ...]
    """File names, sorted: keys of the lock's packages."""


class Layer(_Entry):
    """One layer of an image, as its registry has it."""

    sha256: Digest
    size: Annotated[StrictInt, Field(ge=0)]
    kind: Literal["tar", "tar.gz"]


class Container(_Entry):
    """What an image is made of on one system."""

    image: str
    """As recipes name it, by the digest of a manifest or an index."""
    system: System
    manifest: Digest
    """The digest of the manifest for this system."""
    path: tuple[str, ...] = ()
    """Folders with programs, as its configuration's PATH has them, the last one first."""
    layer: tuple[Layer, ...]
    """From the lowest."""


class Busybox(_Entry):
    """The static busybox that assembles roots and enters them."""

    system: System
    package: str
    """File name of the `.deb` it comes from."""
    nar_sha256: Digest
    """NAR hash of the folder that holds nothing but the executable `busybox`, mode 0555."""


class SourcePin(_Entry):
    """What one source of a recipe was when it was locked."""

    kind: Kind
    sha256: Digest | None = None
    nar_sha256: Digest | None = None
    rev: str | None = None
    file: str | None = None
    """The file's name as the registry has it."""

    @property
    def digest(self) -> str:
        return self.sha256 or self.nar_sha256 or ""


class NixpkgsPin(_Entry):
    """The locked node of `flake.lock`'s `nixpkgs`, copied as it stands there."""

    model_config = ConfigDict(extra="allow", frozen=True)

    __pydantic_extra__: dict[str, Annotated[str | int | bool, BeforeValidator(_plain)]]
    type: str


class Lock(_Entry):
    """The whole lock."""

    version: Literal[1] = 1
    suite: str = "bookworm"
    """The Debian release that packages come from where a set names no other; its section `main` alone."""
    security: bool | None = None
    """Whether it is with its security suite; None: no."""
    updates: bool | None = None
    snapshot: str | None = None
    """The time of the archive's snapshot that it is from."""
    package: tuple[DebianPackage, ...] = ()
    set: tuple[DebianSet, ...] = ()
    busybox: tuple[Busybox, ...] = ()
    machine: tuple[DebianSet, ...] = ()
    """What the virtual machines of `vm` builders are made of."""
    container: tuple[Container, ...] = ()
    source: dict[str, dict[str, SourcePin]] = Field(default_factory=dict)
    """Recipe name to source name to pin. Sources by `path` are in this repository and have none."""
    told: dict[str, dict[str, dict[str, str]]] = Field(default_factory=dict)
    """Recipe name to `SOURCE/LOCK-FILE` to digest: what that lock file does not say of what it pins so.

    Of a sha256 in requirements.txt, what the file is called; of an h1 in go.sum, the sha256 of the file; of a
    commit in Cargo.lock, the NAR hash of its tree.
    """
    followed: dict[str, dict[str, Digest]] = Field(default_factory=dict)
    """Recipe name to `SOURCE/LOCK-FILE` to its sha256: the lock files that this lock was written for."""
    nixpkgs: NixpkgsPin | None = None

    @property
    def used(self) -> frozenset[str]:
        """The file names of packages that anything in the lock names."""
        sets = (file for each in (*self.set, *self.machine) for file in each.packages)
        return frozenset((*sets, *(each.package for each in self.busybox)))

    @property
    def debian(self) -> Suite:
        """What recipes get that name no suite."""
        return suite_of(self.suite, self.security, self.updates, self.snapshot)

    def suite_of(self, found: DebianSet) -> Suite:
        """The suite that a set is from."""
        if found.suite is None:
            return self.debian
        return suite_of(found.suite, found.security, found.updates, found.snapshot)

    @cached_property
    def packages(self) -> Mapping[str, DebianPackage]:
        """File name to package."""
        return {package.file: package for package in self.package}

    def set_for(self, request: Iterable[str], system: str, suite: Suite | None = None) -> DebianSet | None:
        """The set that was resolved for this list of packages, in any order. None: of the usual suite."""
        wanted = (tuple(sorted(request)), system, suite or self.debian)
        return next((s for s in self.set if (s.request, s.system, self.suite_of(s)) == wanted), None)

    def machine_for(self, system: str) -> DebianSet | None:
        return next((found for found in self.machine if found.system == system), None)

    def container_for(self, image: str | None, system: str) -> Container | None:
        return next((each for each in self.container if (each.image, each.system) == (image, system)), None)

    def busybox_for(self, system: str) -> Busybox | None:
        return next((found for found in self.busybox if found.system == system), None)


def read(path: Path) -> Lock:
    """Read a lock. Raises TallyError naming the file, the line and what was expected."""
    if not path.exists():
        raise TallyError(f"there is no {path}", hint="make it with `tally lock`")
    return read_with_bytes(path)[0]


def read_with_bytes(path: Path) -> tuple[Lock, bytes]:
    """Like `read`, with the very bytes that it was read from."""
    data = read_bytes(path, "a lock")
    try:
        text, _ = toml_of(data, path)
    except TallyError as error:
        raise TallyError(error.message, hint=_BROKEN) from error
    return parse(text, str(path)), data


def parse(text: str, place: str) -> Lock:
    """A lock from its text. Raises TallyError when it is none."""
    try:
        values = parse_toml(text, place)
    except TallyError as error:
        raise TallyError(error.message, hint=_BROKEN) from error
    if values.get("version", 1) != 1:
        raise TallyError(
            f"{place}: this lock has version {shown(values['version'])}, and this tally reads version 1",
            hint="use a newer tally, or write the lock again with `tally lock`",
        )
    try:
        lock = Lock.model_validate(values)
    except ValidationError as error:
        message, hint = explain(error, text, place, Lock)
        raise TallyError(message, hint=hint or "write the lock again with `tally lock`") from error
    for name, wanted in [
        *((f"set {'+'.join(s.request)}", s.packages) for s in lock.set),
        *((f"machine of {m.system}", m.packages) for m in lock.machine),
        *((f"busybox of {b.system}", (b.package,)) for b in lock.busybox),
    ]:
        for file in wanted:
            if file not in lock.packages:
                raise TallyError(
                    f"{place}: {name} names {file}, which the lock does not hold", hint="run `tally lock`"
                )
    for what, systems in (
        ("busybox", [each.system for each in lock.busybox]),
        ("machine", [each.system for each in lock.machine]),
    ):
        if len(set(systems)) != len(systems):
            raise TallyError(
                f"{place}: there are two tables [[{what}]] for one system", hint="run `tally lock`"
            )
    for package in lock.package:
        called = f"{package.name}_{package.version.rpartition(':')[2]}_{package.architecture}.deb"
        if package.file != called:
            raise TallyError(
                f"{place}: {package.file} is not what {package.name} {package.version} is called: {called}",
                hint="nothing but `tally lock` changes the lock: run it",
            )
    return lock


def text_of(lock: Lock) -> str:
    """The lock as text, the same for the same pins."""
    ordered = Lock(
        version=lock.version,
        suite=lock.suite,
        **lock.debian.pins,
        package=tuple(sorted(lock.package, key=lambda p: p.file)),
        set=tuple(sorted(lock.set, key=lambda s: (s.system, s.request, str(lock.suite_of(s))))),
        busybox=tuple(sorted(lock.busybox, key=lambda b: b.system)),
        machine=tuple(sorted(lock.machine, key=lambda m: m.system)),
        container=tuple(sorted(lock.container, key=lambda c: (c.image, c.system))),
        source={name: dict(sorted(pins.items())) for name, pins in sorted(lock.source.items()) if pins},
        told={
            name: {key: dict(sorted(said.items())) for key, said in sorted(files.items()) if said}
            for name, files in sorted(lock.told.items())
            if any(files.values())
        },
        followed={name: dict(sorted(of.items())) for name, of in sorted(lock.followed.items()) if of},
        nixpkgs=lock.nixpkgs,
    )
    values: dict[str, Any] = ordered.model_dump(mode="json", exclude_none=True)
    return HEADER + tomli_w.dumps({key: value for key, value in values.items() if value not in ({}, [])})


def write(path: Path, lock: Lock) -> None:
    """Put a lock in place, whole or not at all. Raises TallyError when it cannot be written."""
    write_atomically(path, text_of(lock).encode())


def does_not_fit(recipe: Recipe, what: str) -> TallyError:
    """The error for a recipe that asks for what its lock does not pin."""
    return TallyError(f"tally.lock does not fit the recipe {recipe.name}: {what}", hint="run `tally lock`")
