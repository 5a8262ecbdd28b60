"""The comparison's result. Incomplete is never Disagreed, and neither is ever signed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.agreement.independence import SAME_HOST, Level
from orchestrator.builders.build import BuiltPath, Failure, Report
from orchestrator.ground.digest import NarHash


@dataclass(frozen=True, slots=True)
class Agreed:
    """Every requested output has one NAR hash on every builder of `reports`. Made by `compare` alone."""

    reports: tuple[Report, ...]
    """One per builder, ordered by name; at least two."""
    outputs: Mapping[str, Mapping[str, BuiltPath]]
    """`.drv` path to output name to what all builders made."""
    inputs: Mapping[str, BuiltPath]
    """Store path to what all builders made of each build-time input that they built themselves."""
    vote: Level = SAME_HOST
    """What made a vote when the quorum was counted."""
    dissent: tuple[Report, ...] = ()
    """Complete builds that differ, ordered by name; empty unless dissent was to be recorded."""
    converged: tuple[DifferingOutput, ...] = ()
    """Outputs of inputs that differ, in build order, where all that was asked for came out the same and
    refers to none of them. `inputs` does not have them."""


@dataclass(frozen=True, slots=True)
class DifferingOutput:
    """An output of which builders made different things."""

    derivation: str
    output: str
    path: str
    hashes: Mapping[str, NarHash]
    """Builder name to NAR hash. A builder that differs from its own earlier result is there twice: as
    `NAME` and as `NAME (earlier)`."""
    inherited: bool
    """Whether some build-time input differs too, so that this derivation may not be to blame."""


@dataclass(frozen=True, slots=True)
class Disagreed:
    """All builders built, and not the same."""

    reports: tuple[Report, ...]
    differing: tuple[DifferingOutput, ...]
    """In build order."""
    root_causes: tuple[str, ...]
    """`.drv` paths whose inputs agree and whose outputs do not."""


@dataclass(frozen=True, slots=True)
class Incomplete:
    """Too few builds to compare."""

    reports: tuple[Report, ...]
    failures: Mapping[str, tuple[Failure, ...]]
    """Builder name to what went wrong there; never empty."""


Agreement = Agreed | Disagreed | Incomplete
