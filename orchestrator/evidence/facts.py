"""What was observed of one release: the input from which all evidence is made. Values only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from orchestrator.agreement.agreement import Agreed
from orchestrator.builders.build import BuiltPath
from orchestrator.caches.believed import NOTHING, Beliefs
from orchestrator.evidence.definition import Definition
from orchestrator.ground.digest import NarHash, Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.wording import counted
from orchestrator.ledger.entries import Depth
from orchestrator.nix.derivation import DerivationGraph
from orchestrator.nix.storepath import ByContent
from orchestrator.pinning.depended import Depended, Within
from orchestrator.repositories.revision import Revision
from orchestrator.sources.origins import Origin


@dataclass(frozen=True, slots=True)
class Package:
    """What is released. What the recipe, or somebody's own derivation, does not say is None, never `""`."""

    name: str
    version: str | None
    system: str
    summary: str | None = None
    homepage: str | None = None
    license: str | None = None
    """An SPDX expression."""
    cpes: tuple[str, ...] = ()
    """What `meta.identifiers` has, whether it is CPE or not."""
    position: str | None = None
    """`FILE:LINE` of the expression that made it."""
    output: str | None = None
    """The output that was asked for; None: the default."""

    @property
    def release_name(self) -> str:
        """`hello-2.10-x86_64-linux`, or `hello-2.10-doc-x86_64-linux`: a release folder's name."""
        return "-".join(part for part in (self.name, self.version, self.output, self.system) if part)


@dataclass(frozen=True, slots=True)
class Artifact:
    """The flat file that users download."""

    file_name: str
    sha256: Sha256
    size: int
    manifest: Sha256 | None = None
    """Of the manifest that it has in any OCI registry: oci.py; None: statements are not about that."""


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file of the user's that said what to build: the recipe, the lock."""

    name: str
    sha256: Sha256


@dataclass(frozen=True, slots=True)
class Carried:
    """That operators carry the artifact all the way down: `[closure]` of tally.toml."""

    operators: int
    """How many were asked for."""
    by: tuple[str, ...]
    """Those who made the artifact so."""
    evidence: tuple[Sha256, ...]
    """What others signed and was counted, each file by its digest."""
    unlike: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """`.drv` paths of which operators made something else, with these: nothing that is released differs."""


@dataclass(frozen=True, slots=True)
class ReleaseFile:
    """A file in the release folder. `chunks` gives its bytes, anew at each call."""

    path: str
    """Relative to the folder, with `/`."""
    sha256: Sha256
    size: int
    chunks: Callable[[], Iterator[bytes]] = field(repr=False, compare=False)

    @classmethod
    def of(cls, path: str, data: bytes) -> ReleaseFile:
        return cls(path, Sha256.of(data), len(data), lambda: iter((data,)))


@dataclass(frozen=True, slots=True)
class ReleaseFacts:
    """Everything that evidence is made from. Store paths are logical (`/nix/store/…`)."""

    package: Package
    artifact: Artifact
    target: str
    """What the user asked for: a recipe's name, `.#pkg`, a `.drv`."""
    package_derivation: str
    artifact_derivation: str
    graph: DerivationGraph
    agreed: Agreed
    quorum: int
    input_sources: Mapping[str, NarHash]
    """Store path of each input source in the build-time closure to its NAR hash, from our store."""
    origins: Mapping[str, Origin]
    """Store path of each fixed output of a recipe's to where it is from."""
    licences: Mapping[str, str]
    """sha256 (hexadecimal) of a fixed output's file to an SPDX expression, where one is known."""
    toolchains: Sequence[Mapping[str, str]]
    """Of the target's recipe and of those that it uses, each once: `from`, and its pins. Empty: not known."""
    recipe: InputFile | None
    lock: InputFile | None
    revision: Revision | None
    """The commit of their repository; None: none is known."""
    source: Sequence[ReleaseFile]
    """What the release carries of what made it: evidence/source.py."""
    started: datetime
    finished: datetime
    """UTC; from the builds."""
    invocation_id: str
    """A UUID."""
    definition: Definition | None = None
    """What was evaluated, where that is no recipe."""
    beliefs: Beliefs = NOTHING
    """What nobody here rebuilt; without any, every builder built every input."""
    depth: Depth | None = None
    """How far down the build-time closure the run reached; None: it was not counted."""
    dependencies: Mapping[str, Sequence[Depended]] = field(default_factory=dict)
    """Recipe name to what the lock files in its sources pin."""
    within: Mapping[str, Sequence[Within]] = field(default_factory=dict)
    """Store path of what is fetched to what lock files say is within it."""
    deep: bool = False
    """Whether it was asked for, and held, that every derivation there is an agreement of its own."""
    by_content: Mapping[str, ByContent] = field(default_factory=dict)
    """Store path of an input source to what it follows from, where that is not its NAR hash alone."""
    carried: Carried | None = None
    """By how many operators, where that was asked for."""

    def __post_init__(self) -> None:
        if self.started.utcoffset() != timedelta(0) or self.finished.utcoffset() != timedelta(0):
            raise ValueError("times in evidence are UTC")
        missing = {self.package_derivation, self.artifact_derivation} - set(self.agreed.outputs)
        if missing:
            raise ValueError(f"the agreement does not cover {min(missing)}")

    @property
    def release_name(self) -> str:
        """The release folder's name."""
        return self.package.release_name

    @property
    def artifact_output(self) -> BuiltPath:
        """What all builders made of the artifact. Raises TallyError when it is not one output."""
        outputs = self.agreed.outputs[self.artifact_derivation]
        if "out" in outputs:
            return outputs["out"]
        if len(outputs) == 1:
            return next(iter(outputs.values()))
        raise TallyError(
            f"{self.artifact_derivation} has {counted(len(outputs), 'output')}: none of them is the artifact"
        )

    @property
    def products(self) -> Mapping[str, BuiltPath]:
        """Store path to what all builders made, for every output that was asked for, sorted by path."""
        outputs = {built.path: built for made in self.agreed.outputs.values() for built in made.values()}
        return dict(sorted(outputs.items()))
