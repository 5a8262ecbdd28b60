"""What the ledger holds, as values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from orchestrator.builders.build import BuiltPath
from orchestrator.ground.digest import NarHash
from orchestrator.ground.wording import counted


class Verdict(StrEnum):
    """What became of a derivation, or of a target, in one run."""

    AGREED = "agreed"
    VARIED = "agreed under variation"
    """Agreed by builders whose surroundings were made to differ."""
    FLAKY = "flaky"
    """A builder did not make again what it had made itself."""
    DIFFERS = "differs"
    FAILED = "failed"
    """It does not build: never mixed with one that builds and does not reproduce."""
    UNDECIDED = "undecided"
    """Too few builds to say: a builder could not be reached, or nothing was compared."""

    @property
    def agrees(self) -> bool:
        """Whether all builders made the same."""
        return self in (Verdict.AGREED, Verdict.VARIED)


class How(StrEnum):
    """How a builder came to what it has of a derivation."""

    BUILT = "built"
    """Built in that run, where its store had nothing."""
    CHECKED = "checked"
    """Built again in that run, and compared with what its store held."""
    HELD = "held"
    """Its store held it, from a build of its own in an earlier run; not built in that run."""
    FAILED = "failed"

    @property
    def made(self) -> bool:
        """Whether the builder made it in that run."""
        return self in (How.BUILT, How.CHECKED)


@dataclass(frozen=True, slots=True)
class Made:
    """One output that a builder made."""

    path: str
    nar_hash: NarHash
    nar_size: int
    references: tuple[str, ...]
    second: NarHash | None = None
    """What it made when it built again and got something else."""


def made_of(outputs: Mapping[str, BuiltPath]) -> dict[str, Made]:
    """What a builder reported of a derivation's outputs, by name."""
    return {
        name: Made(each.path, each.nar_hash, each.nar_size, each.references) for name, each in outputs.items()
    }


@dataclass(frozen=True, slots=True)
class Known:
    """Who a builder was in one run, as far as it matters for whether its builds still count."""

    name: str
    store: str
    operator: str | None = None
    nix_version: str | None = None
    machine_id: str | None = None
    boot_id: str | None = None
    system: str | None = None
    proven: bool = False
    """Whether its sandbox was proven in that run, and it was seen afterwards that nothing that the build in
    question was made from was altered: a run that was killed before it looked proves nothing."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One derivation, by one builder, in one run."""

    run: str
    builder: Known
    derivation: str
    how: How
    outputs: Mapping[str, Made]
    started: datetime | None = None
    finished: datetime | None = None
    log: str | None = None
    """Below the state folder."""
    reason: str | None = None
    inputs: Mapping[str, Mapping[str, Made]] = field(default_factory=dict)
    """`.drv` path to what it was made from, by output name, where that is told with it."""

    @property
    def counts(self) -> bool:
        """Whether it was made in that run, in a proven sandbox."""
        return self.how.made and self.builder.proven


@dataclass(frozen=True, slots=True)
class Depth:
    """How far down a target's build-time closure a run reached, in derivations without fixed outputs."""

    derivations: int
    built: int = 0
    """By every builder in that run."""
    known: int = 0
    """Not built in it: the ledger knew them as agreed."""
    believed: int = 0
    """From caches."""

    @property
    def held(self) -> int:
        """Those that builders' stores held from earlier builds of their own: compared, not built again."""
        return self.derivations - self.built - self.known - self.believed

    @property
    def deep(self) -> bool:
        """Whether every one was an agreement of its own."""
        return self.built + self.known == self.derivations

    @property
    def document(self) -> dict[str, int]:
        """As `--json` prints it."""
        return {
            "derivations": self.derivations,
            "built": self.built,
            "known": self.known,
            "held": self.held,
            "believed": self.believed,
        }

    @property
    def sentence(self) -> str:
        """`3 of 12 derivations built in this run, 9 held from earlier builds`."""
        parts = [f"{self.built} of {counted(self.derivations, 'derivation')} built in this run"]
        others = (
            (self.known, "known as agreed"),
            (self.held, "held from earlier builds"),
            (self.believed, "believed"),
        )
        return ", ".join([*parts, *(f"{number} {what}" for number, what in others if number)])


@dataclass(frozen=True, slots=True)
class Result:
    """What one target came to in one run."""

    run: str
    target: str
    package: str
    """The `.drv` path."""
    artifact: str
    name: str
    version: str | None
    system: str
    verdict: Verdict
    time: datetime
    depth: Depth
    release: str | None = None
    kept: str | None = None
    """The folder of the disagreement that was kept."""
    told: str | None = None
    culprits: tuple[str, ...] = ()
    """`.drv` paths of derivations whose inputs agree and whose outputs do not."""
    builders: tuple[str, ...] = field(default=())

    @property
    def document(self) -> dict[str, Any]:
        """As `--json` prints it; what is not known is left out."""
        found: dict[str, Any] = {
            "run": self.run,
            "target": self.target,
            "name": self.name,
            "version": self.version,
            "system": self.system,
            "derivation": self.package,
            "artifact": self.artifact,
            "verdict": self.verdict.value,
            "time": written(self.time),
            "builders": list(self.builders),
            "depth": self.depth.document,
            "culprits": list(self.culprits),
            "release": self.release,
            "kept": self.kept,
            "told": self.told,
        }
        return {name: value for name, value in found.items() if value is not None}


def written(time: datetime) -> str:
    """A time as the ledger has it: UTC, to the millisecond, so that text sorts as times do."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(text: str) -> datetime:
    """The time that `written` wrote. Raises ValueError."""
    return datetime.fromisoformat(text)
