"""`report.json`: every package's verdict, and the share of those that agree over time. Values only.

Its JSON Schema is what `tally schema report` prints; docs/reference/report.md tells of each field.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import Field

from orchestrator.evidence.part import Count, Part
from orchestrator.ledger.entries import Verdict

FORMAT: Final = 1
Share = Annotated[float, Field(ge=0, le=1)]


class Proof(Part):
    """The experiment that shows a cause: with what was turned, the difference came and went."""

    knob: str
    """What was turned alone."""
    came: str
    """What was built so that the bytes differ."""
    went: str = ""
    """What was built so that they are the same; empty: that was not seen."""


class Cause(Part):
    """Why bytes may differ; the likeliest comes first in its list."""

    name: str
    """One word, as `timestamp`."""
    confidence: Share | None = None
    """Null: nothing was measured of it, as where it is told from the bytes alone."""
    proof: Proof | None = None
    """Null: it is a guess."""
    because: tuple[str, ...] = ()
    cure: str | None = None


class Step(Part):
    """A container on the way in to what differs."""

    kind: str
    """As `tar` or `gzip`."""
    name: str = ""


class Culprit(Part):
    """A derivation whose inputs agree and whose outputs do not, and one place where they differ."""

    derivation: str
    output: str
    file: str
    """Relative to the output; `.`: the output itself."""
    inside: tuple[Step, ...] = ()
    """The containers on the way in, the outermost first."""
    where: str = ""
    """A section, symbol, line or field of a header, in words."""
    offset: Count | None = None
    values: tuple[str, str] | None = None
    causes: tuple[Cause, ...] = ()


class Builder(Part):
    """Who built, and what came of it."""

    name: str
    result: str
    """`built`, `checked` (built again and compared), `held` (from an earlier run of its own) or `failed`."""
    nar_sha256: dict[str, str] = {}  # noqa: RUF012  each model has a copy of its own
    """Output of the package to the sha256 of the NAR that was made in that run, in hexadecimal."""
    earlier_sha256: dict[str, str] = {}  # noqa: RUF012  as above
    """The same of what its store held before, and of which it made something else."""
    store: str | None = None
    operator: str | None = None
    nix: str | None = None
    seconds: Annotated[float, Field(ge=0)] | None = None
    """How long the package took to build."""


class Depth(Part):
    """How far down the build-time closure the latest run reached: derivations without fixed outputs."""

    derivations: Count
    built: Count
    """By every builder in that run."""
    known: Count
    """Known from the ledger to agree."""
    believed: Count
    """From caches."""
    deep: bool
    """Whether every one was an agreement of its own."""


class File(Part):
    """A file that lies in the site."""

    path: str
    """Relative to the site."""
    name: str
    size: Count
    sha256: str


class Before(Part):
    """What the verdict was before this one."""

    verdict: Verdict
    until: datetime


class Package(Part):
    """One package on one system."""

    name: str
    version: str | None = None
    system: str
    target: str
    """What was asked for: a recipe's name, a flake's attribute."""
    page: str
    """Its page, relative to the site."""
    verdict: Verdict
    since: datetime
    """When the first of the runs that came to this verdict ended."""
    last: datetime
    """When the latest run ended."""
    runs: Annotated[int, Field(ge=1)]
    before: Before | None = None
    because: str | None = None
    """What changed when the verdict did, as `openssl 3.0.17 → 3.0.18`."""
    builders: tuple[Builder, ...] = ()
    depth: Depth | None = None
    derivation: str | None = None
    first_diverging: tuple[str, ...] = ()
    """Derivations whose inputs agree and whose outputs do not."""
    culprits: tuple[Culprit, ...] = ()
    failure: str | None = None
    """Why a build failed, or what was missing."""
    logs: tuple[File, ...] = ()
    sbom: tuple[File, ...] = ()
    evidence: tuple[File, ...] = ()
    verify: str | None = None
    """The command that verifies the evidence, run where it lies."""


class Moment(Part):
    """How many packages had which verdict at the end of a day."""

    day: str
    """UTC, as `2026-11-29`."""
    agreed: Count
    decided: Count
    """Packages that agreed, were flaky or differed."""
    failed: Count
    undecided: Count
    share: Share | None
    """agreed / decided; null where nothing was decided."""


class Report(Part):
    """Everything that the site shows, apart from its pictures."""

    report_format: Literal[1] = FORMAT
    title: str
    updated: datetime | None
    """When the latest run ended; null where there was none."""
    counts: dict[Verdict, Count]
    """How many packages have which verdict."""
    share: Share | None
    """Of the packages that agreed, were flaky or differed, those that agreed."""
    packages: tuple[Package, ...]
    """In the order of their names."""
    history: tuple[Moment, ...]
    """The oldest day first."""
