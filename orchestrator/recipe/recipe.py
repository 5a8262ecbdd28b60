"""The recipe: one TOML file per package, as a checked model. `load` reads one; nothing else here does I/O.

What a recipe holds is data: scripts, variables and summaries may hold any character but NUL, which no
environment variable can carry.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    ValidationError,
    model_validator,
)

from orchestrator.ground.errors import TallyError
from orchestrator.recipe.archives import ENDINGS
from orchestrator.recipe.dependencies_table import DependenciesPart
from orchestrator.recipe.explaining import explain
from orchestrator.recipe.image import ImageConfig, described
from orchestrator.recipe.licences import check_license
from orchestrator.recipe.names import (
    check_name,
    check_output,
    check_source_name,
    check_variable,
    check_version,
)
from orchestrator.recipe.part import Addressed, Part, System
from orchestrator.recipe.toml import read_bytes, toml_of
from orchestrator.recipe.toolchain_table import Toolchain
from orchestrator.recipe.values import (
    Data,
    Digest,
    Line,
    Revision,
    address,
    distinct,
    fits_a_variable,
    inside_output,
    npm_package,
    project,
    registry_version,
    relative,
)

Format = Literal["tar.gz", "tar.xz", "tar.zst", "file", "nar", "oci"]
_ARTIFACT_NAME = re.compile(r"[A-Za-z0-9+._?=-]+(?<!\.drv)")
_EMPTY = (
    "a recipe is TOML: name, version, summary, homepage and license, then [source], [toolchain] with `from`, "
    "and [build] with `script`; `tally schema` has every key"
)


Unpack = Annotated[
    bool | None,
    Field(
        description="Whether the file is unpacked before the script runs. Unless it is said, a file is whose "
        f"name ends in {', '.join(ENDINGS)}, in any case. How is decided by what the file holds."
    ),
]


class UrlSource(Addressed):
    """A file that may be at several addresses; the digest decides which bytes are right."""

    unpack: Unpack = None


Submodules = Annotated[
    bool,
    Field(description="Whether submodules are brought in, at their commits; else each is an empty folder."),
]
LargeFiles = Annotated[
    bool | None,
    Field(
        description="Whether files that git-lfs keeps elsewhere are brought in (true) or their pointers are "
        "kept (false). Unless it is said, a tree with pointers is refused."
    ),
]


class GitSource(Part):
    """A commit's tree. `nar_sha256` is the NAR hash of that tree without `.git`."""

    git: Annotated[str, address("https", "http", "git", "ssh")]
    rev: Revision
    nar_sha256: Digest
    submodules: Submodules = False
    lfs: LargeFiles = None


class PathSource(Part):
    """A folder or file of the repository that the recipe stands in, relative to that repository's top."""

    path: Annotated[str, StringConstraints(min_length=1, max_length=1000), AfterValidator(relative)]
    submodules: Submodules = False
    lfs: LargeFiles = None


class PypiSource(Part):
    """One file of a project's release on PyPI: the one with this digest."""

    pypi: Annotated[str, AfterValidator(project)]
    version: Annotated[str, AfterValidator(registry_version)]
    sha256: Digest
    unpack: Unpack = None


class NpmSource(Part):
    """An npm package's tarball."""

    npm: Annotated[str, AfterValidator(npm_package)]
    version: Annotated[str, AfterValidator(registry_version)]
    sha256: Digest
    unpack: Unpack = None


SOURCES: Mapping[str, type[Part]] = {
    "url": UrlSource,
    "git": GitSource,
    "path": PathSource,
    "pypi": PypiSource,
    "npm": NpmSource,
}


def _kind(value: Any) -> str | None:
    if isinstance(value, Part):
        return next((kind for kind, model in SOURCES.items() if isinstance(value, model)), None)
    present = [kind for kind in SOURCES if isinstance(value, dict) and kind in value]
    return present[0] if len(present) == 1 else None


Source = Annotated[
    Annotated[UrlSource, Tag("url")]
    | Annotated[GitSource, Tag("git")]
    | Annotated[PathSource, Tag("path")]
    | Annotated[PypiSource, Tag("pypi")]
    | Annotated[NpmSource, Tag("npm")],
    Discriminator(_kind),
]


class BuildPart(Part):
    """The build's variables and its bash script."""

    env: Annotated[
        dict[
            Annotated[str, AfterValidator(check_variable)], Annotated[Data, AfterValidator(fits_a_variable)]
        ],
        Field(default_factory=dict, max_length=500),
    ]
    script: Annotated[Data, StringConstraints(min_length=1)]


class CheckPart(Part):
    """A bash script that runs in the sandbox after the build and must succeed."""

    script: Annotated[Data, StringConstraints(min_length=1)]


class ArtifactPart(ImageConfig):
    """What users download. `path` is the file's place in the default output, for the format `file` alone.

    The keys of an image's configuration are for the format `oci` alone.
    """

    ways_out: ClassVar[Mapping[str, str]] = {
        "format": "take one of these; for a file of another kind let the script make it: "
        'format = "file", and its `path`'
    }
    """Hints for keys of this table, where nothing nearer is known: recipe/explaining.py."""

    format: Format = "tar.gz"
    path: (
        Annotated[str, StringConstraints(min_length=1, max_length=1000), AfterValidator(inside_output)] | None
    ) = None

    @model_validator(mode="after")
    def _path_fits(self) -> ArtifactPart:
        if self.format == "file" and self.path is None:
            raise ValueError('format = "file" needs path, e.g. path = "bin/hello"')
        if self.path is not None and not _ARTIFACT_NAME.fullmatch(self.path.rsplit("/", 1)[-1]):
            raise ValueError(
                "the artifact is called after its file, so that may hold letters, digits, +._?=- alone"
            )
        if self.format != "file" and self.path is not None:
            raise ValueError(f'path is for format = "file"; a {self.format} holds the whole output')
        if self.format != "oci" and self.configured:
            raise ValueError(f'{self.configured[0]} is for format = "oci"; a {self.format} is not run')
        return self


class Recipe(Part):
    """One package: what it is made from, with what, how, and what users get."""

    name: Annotated[str, AfterValidator(check_name)]
    version: Annotated[str, AfterValidator(check_version)]
    summary: Line
    homepage: Annotated[str, address("https", "http")]
    license: Annotated[str, AfterValidator(check_license)]
    systems: Annotated[tuple[System, ...], Field(min_length=1), AfterValidator(distinct)] = ("x86_64-linux",)
    source: Source | None = None
    sources: Annotated[
        dict[Annotated[str, AfterValidator(check_source_name)], Source],
        Field(default_factory=dict, max_length=100),
    ]
    dependencies: Annotated[tuple[DependenciesPart, ...], Field(max_length=50)] = ()
    inputs: Annotated[
        tuple[Annotated[str, AfterValidator(check_name)], ...],
        Field(max_length=200),
        AfterValidator(distinct),
    ] = ()
    outputs: Annotated[
        tuple[Annotated[str, AfterValidator(check_output)], ...],
        Field(min_length=1, max_length=20),
        AfterValidator(distinct),
    ] = ("out",)
    toolchain: Toolchain
    build: BuildPart
    check: CheckPart | None = None
    artifact: ArtifactPart = ArtifactPart()

    @model_validator(mode="after")
    def _one_way_to_name_sources(self) -> Recipe:
        if self.source is not None and self.sources:
            raise ValueError("expected [source] or [sources.NAME], not both")
        return self

    @model_validator(mode="after")
    def _locks_are_in_sources(self) -> Recipe:
        seen = set()
        for each in self.dependencies:
            name = self.source_of(each)
            if name is None:
                raise ValueError(
                    f"dependencies: {each.lock!r} is in no source: "
                    + (
                        "the recipe has none"
                        if not self.named_sources
                        else f"say `source`, one of {', '.join(sorted(self.named_sources))}"
                    )
                )
            if (name, each.lock) in seen:
                raise ValueError(f"dependencies: {each.lock!r} is named twice")
            seen.add((name, each.lock))
        return self

    @model_validator(mode="after")
    def _variables_are_distinct(self) -> Recipe:
        for output in self.outputs:
            if output in self.build.env:
                raise ValueError(f"build.env sets {output!r}, which is the path of an output")
        return self

    @model_validator(mode="after")
    def _base_has_a_root(self) -> Recipe:
        if self.artifact.base is not None and self.toolchain.from_ == "nixpkgs":
            raise ValueError(
                'artifact.base = "toolchain" needs a toolchain with a root of its own: "debian", "files" or '
                '"containers"; of nixpkgs an image has what the package refers to'
            )
        return self

    @model_validator(mode="after")
    def _image_is_small_enough(self) -> Recipe:
        described(self.artifact, self.name, self.outputs[0])
        return self

    @property
    def named_sources(self) -> Mapping[str, Source]:
        """Every source by its name; a single `[source]` is `src`."""
        return {"src": self.source} if self.source is not None else dict(self.sources)

    def source_of(self, part: DependenciesPart) -> str | None:
        """The name of the source that a lock file is in; None: no source is called so, or it is not said."""
        names = self.named_sources
        if part.source is None:
            return next(iter(names)) if len(names) == 1 else None
        return part.source if part.source in names else None


def load(path: Path) -> Recipe:
    """Read one recipe. Raises TallyError naming the file, the line, the key and what was expected."""
    return load_with_bytes(path)[0]


def load_with_bytes(path: Path) -> tuple[Recipe, bytes]:
    """Like `load`, with the very bytes that it was read from."""
    data = read_bytes(path, "a recipe")
    text, values = toml_of(data, path)
    return parse(text, values, str(path)), data


def parse(text: str, values: Mapping[str, Any], place: str) -> Recipe:
    """A recipe from TOML values already read; `text` is where lines are counted. Raises TallyError."""
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        message, hint = explain(error, text, place, Recipe)
        raise TallyError(message, hint=hint or (None if values else _EMPTY)) from error
