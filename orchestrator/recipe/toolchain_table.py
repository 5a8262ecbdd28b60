"""`[toolchain]` of a recipe: where the build's tools come from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from orchestrator.recipe.part import Addressed, Part, System
from orchestrator.recipe.suites import Snapshot, Suite, SuiteName, refuse_stray, suite_of
from orchestrator.recipe.values import (
    TOOL_FOLDER,
    TOOL_PATH,
    container_image,
    distinct,
    relative,
    tool,
)


class ToolFile(Addressed):
    """An archive of somebody's release, unpacked over the Debian packages; the digest decides."""

    to: Annotated[str, TOOL_FOLDER]
    """The folder that it is unpacked to; an only folder in it is left out."""
    path: Annotated[
        tuple[Annotated[str, TOOL_PATH, AfterValidator(relative)], ...],
        Field(max_length=20),
        AfterValidator(distinct),
    ] = ("bin",)
    """Folders below `to` whose programs are found by their names."""
    system: System | None = None
    """What it is for; None: all systems of the recipe."""


class Toolchain(Part):
    """Where the build's tools come from, and which are wanted beside the basic ones."""

    from_: Annotated[Literal["containers", "debian", "files", "nixpkgs"], Field(alias="from")]
    packages: Annotated[
        tuple[Annotated[str, AfterValidator(tool)], ...], Field(max_length=500), AfterValidator(distinct)
    ] = ()
    suite: SuiteName | None = None
    """The Debian release; None: the one that tally.toml names, as tally.lock has it."""
    security: bool = False
    """Whether the packages of its security suite count, too."""
    updates: bool = False
    """Whether those of its `-updates` suite do."""
    snapshot: Snapshot | None = None
    """The time of the archive's snapshot that it is taken from."""

    image: Annotated[str, AfterValidator(container_image)] | None = None
    """The image that is the whole toolchain, by its digest."""
    files: Annotated[tuple[ToolFile, ...], Field(max_length=20)] = ()
    """What is unpacked over the packages."""

    @model_validator(mode="after")
    def _suite_is_debians(self) -> Toolchain:
        if self.suite is not None and not self.is_debians:
            raise ValueError(f'suite is for from = "debian"; {self.from_} has none')
        if bool(self.files) != (self.from_ == "files"):
            raise ValueError(
                'from = "files" needs [[toolchain.files]], the archives'
                if not self.files
                else '[[toolchain.files]] is for from = "files"'
            )
        if (self.image is not None) != (self.from_ == "containers"):
            raise ValueError(
                'from = "containers" needs image, as "HOST/NAME@sha256:…"'
                if self.image is None
                else 'image is for from = "containers"'
            )
        if self.from_ == "containers" and self.packages:
            raise ValueError('packages are not for from = "containers": the image has its tools')
        places = [(each.to, each.system) for each in self.files]
        if twice := [to for to, system in places if places.count((to, system)) > 1]:
            raise ValueError(f"two files are unpacked to {twice[0]}")
        refuse_stray(self.suite, security=self.security, updates=self.updates, snapshot=self.snapshot)
        return self

    @property
    def is_debians(self) -> bool:
        """Whether it stands on a set of Debian packages."""
        return self.from_ in ("debian", "files")

    @property
    def debian(self) -> Suite | None:
        """The suite that the recipe itself names."""
        if self.suite is None:
            return None
        return suite_of(self.suite, self.security, self.updates, self.snapshot)
