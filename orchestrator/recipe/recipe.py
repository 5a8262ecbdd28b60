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
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    ValidationError,
    model_validator,
)

from orchestrator.dependencies.dependency import Ecosystem
from orchestrator.dependencies.formats import ecosystem_of
from orchestrator.ground.errors import TallyError
from orchestrator.recipe.archives import ENDINGS
from orchestrator.recipe.explaining import explain
from orchestrator.recipe.image import ImageConfig, described
from orchestrator.recipe.licences import check_license
from orchestrator.recipe.names import (
    check_name,
    check_output,
    check_source_name,
    check_variable,
    check_version,
    normalised,
)
from orchestrator.recipe.suites import Snapshot, Suite, SuiteName, refuse_stray, suite_of
from orchestrator.recipe.toml import read_bytes, toml_of
from orchestrator.recipe.values import (
    TOOL_FOLDER,
    TOOL_PATH,
    Data,
    Digest,
    FileName,
    Line,
    Revision,
    Url,
    address,
    container_image,
    distinct,
    fits_a_variable,
    inside_output,
    npm_package,
    one_or_more,
    project,
    python_version,
    registry_version,
    relative,
    tool,
)

Format = Literal["tar.gz", "tar.xz", "tar.zst", "file", "nar", "oci"]
_ARTIFACT_NAME = re.compile(r"[A-Za-z0-9+._?=-]+(?<!\.drv)")
System = Literal[
    "x86_64-linux",
    "aarch64-linux",
    "i686-linux",
    "armv7l-linux",
    "riscv64-linux",
    "powerpc64le-linux",
    "s390x-linux",
]


_EMPTY = (
    "a recipe is TOML: name, version, summary, homepage and license, then [source], [toolchain] with `from`, "
    "and [build] with `script`; `tally schema` has every key"
)


class Part(BaseModel):
    """What all parts of a recipe share: no key that we do not know, and no change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Unpack = Annotated[
    bool | None,
    Field(
        description="Whether the file is unpacked before the script runs. Unless it is said, a file is whose "
        f"name ends in {', '.join(ENDINGS)}, in any case. How is decided by what the file holds."
    ),
]


class UrlSource(Part):
    """A file that may be at several addresses; the digest decides which bytes are right."""

    url: Annotated[
        tuple[Url, ...],
        BeforeValidator(one_or_more, json_schema_input_type=str | list[str]),
        Field(min_length=1, max_length=50),
        AfterValidator(distinct),
    ]
    sha256: Digest
    name: FileName | None = None
    """What the file is called, where the addresses do not say it."""
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
            raise ValueError(
                f"the name {self.lock.rpartition('/')[2][:80]!r} does not tell whose lock file it is: "
                f"say `kind`, one of {', '.join(Ecosystem)}"
            )
        return self


class ToolFile(Part):
    """An archive of somebody's release, unpacked over the Debian packages; the digest decides."""

    url: Annotated[
        tuple[Url, ...],
        BeforeValidator(one_or_more, json_schema_input_type=str | list[str]),
        Field(min_length=1, max_length=50),
        AfterValidator(distinct),
    ]
    sha256: Digest
    name: FileName | None = None
    """What the file is called, where the addresses do not say it."""
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
