"""`[[dependencies]]` of a recipe: which lock file in the source lists what is built with."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from orchestrator.dependencies.dependency import Ecosystem
from orchestrator.dependencies.formats import ecosystem_of, nearest_name
from orchestrator.recipe.names import normalised
from orchestrator.recipe.part import Part
from orchestrator.recipe.values import python_version, relative


class DependenciesPart(Part):
    """What a lock file in the source pins, for the build to find without a network."""

    lock: Annotated[
        str,
        StringConstraints(min_length=1, max_length=1000),
        AfterValidator(relative),
        Field(description="The lock file, from the top of the source."),
    ]
    kind: Annotated[
        Ecosystem | None,
        Field(description="Whose lock file it is, where its name does not tell."),
    ] = None
    source: Annotated[
        str | None,
        Field(description="The source that it is in, where a recipe has several."),
    ] = None
    member: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=1000), AfterValidator(relative)] | None,
        Field(description="Node.js: the folder of the workspace's member that is the project."),
    ] = None
    extras: Annotated[
        tuple[Annotated[str, AfterValidator(normalised)], ...],
        Field(max_length=100, description="Python: optional dependencies that are wanted, too."),
    ] = ()
    groups: Annotated[
        tuple[Annotated[str, AfterValidator(normalised)], ...],
        Field(max_length=100, description="Python: dependency groups that are wanted, too, as `dev`."),
    ] = ()
    package: Annotated[
        str | None,
        Field(description="Python: whose dependencies, where a lock is of several projects."),
    ] = None
    venv: Annotated[
        bool, Field(description="Python: whether to install all of it into a virtual environment, too.")
    ] = False
    python: Annotated[
        str | None,
        AfterValidator(python_version),
        Field(description="Python: its version, where the toolchain's packages do not tell."),
    ] = None

    @model_validator(mode="after")
    def _is_asked_of_its_kind(self) -> DependenciesPart:
        kind = self.kind or ecosystem_of(self.lock)
        for key in ("extras", "groups", "package", "venv", "python"):
            if getattr(self, key) and kind not in (Ecosystem.PYTHON, None):
                raise ValueError(f"`{key}` is asked of a Python project's lock, and {self.lock} is of {kind}")
        if self.member is not None and kind not in (Ecosystem.NPM, None):
            raise ValueError(f"`member` is asked of a Node.js project's lock, and {self.lock} is of {kind}")
        return self

    @property
    def ecosystem(self) -> Ecosystem:
        """Whose lock file it is."""
        found = self.kind or ecosystem_of(self.lock)
        assert found is not None
        return found

    @model_validator(mode="after")
    def _is_known(self) -> DependenciesPart:
        if self.kind is None and ecosystem_of(self.lock) is None:
            name = self.lock.rpartition("/")[2]
            nearest = nearest_name(name)
            raise ValueError(
                f"the name {name[:80]!r} does not tell whose lock file it is: "
                + (f"did you mean {nearest!r}? Else " if nearest else "")
                + f"say `kind`, one of {', '.join(Ecosystem)}"
            )
        return self
