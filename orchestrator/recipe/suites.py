"""Which of Debian's suites packages are from: a value that recipes, tally.toml and the lock share. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field

BUILT_WITH: Final = ("bookworm", "trixie")
"""The releases that builds are tested with."""
ENDED: Final = (
    "potato",
    "woody",
    "sarge",
    "etch",
    "lenny",
    "squeeze",
    "wheezy",
    "jessie",
    "stretch",
    "buster",
)
"""Releases that have left the archive's mirrors."""
_MOVING: Final = ("oldoldstable", "oldstable", "stable", "testing", "unstable", "experimental", "rc-buggy")
_TIME: Final = "%Y%m%dT%H%M%SZ"
_WORD: Final = "[a-z][a-z0-9-]*"


@dataclass(frozen=True, slots=True, order=True)
class Suite:
    """One release of Debian, its section `main`."""

    name: str
    """Its own name, `trixie`."""
    security: bool = False
    """Whether packages of its security suite count, too."""
    updates: bool = False
    """Whether those of `NAME-updates` do."""
    snapshot: str = ""
    """The time of the archive's snapshot that all of it is from, `20261101T000000Z`; empty: as it is now."""

    def __str__(self) -> str:
        more = [word for word in ("security", "updates") if getattr(self, word)]
        beside = f" with {' and '.join(more)}" if more else ""
        return f"{self.name}{beside}" + (f" as of {self.snapshot}" if self.snapshot else "")

    @property
    def moment(self) -> datetime | None:
        """The snapshot's time."""
        return datetime.strptime(self.snapshot, _TIME).replace(tzinfo=UTC) if self.snapshot else None

    @property
    def pins(self) -> dict[str, Any]:
        """What tells it from the release as it is, as locks and evidence name it."""
        return {name: value for name in ("security", "updates", "snapshot") if (value := getattr(self, name))}


def suite_of(
    suite: str, security: bool | None = None, updates: bool | None = None, snapshot: str | None = None
) -> Suite:
    """As recipes, tally.toml and locks write it."""
    return Suite(suite, security or False, updates or False, snapshot or "")


def refuse_stray(suite: str | None, **more: object) -> None:
    """Raises ValueError for what belongs to a suite, where none is named."""
    stray = [name for name, value in more.items() if value]
    if suite is None and stray:
        raise ValueError(f"{stray[0]} is of a suite that is named beside it: suite = {BUILT_WITH[-1]!r}")


def check_snapshot(value: str) -> str:
    """The time of a snapshot, UTC. Raises ValueError with what is wrong."""
    try:
        if re.fullmatch(r"[0-9]{8}T[0-9]{6}Z", value):
            datetime.strptime(value, _TIME).replace(tzinfo=UTC)
            return value
    except ValueError:
        pass
    raise ValueError(f"expected the time of a snapshot, as '20261101T000000Z'; got {value[:80]!r}")


def check_suite(value: str) -> str:
    """A release by its own name. Raises ValueError with what is wrong."""
    if not re.fullmatch(_WORD, value) or len(value) > 40:
        raise ValueError(f"expected the name of a Debian release, as {BUILT_WITH[-1]!r}; got {value[:80]!r}")
    if value in _MOVING:
        raise ValueError(
            f"{value!r} names another release after a while: name the release itself, as {BUILT_WITH[-1]!r}"
        )
    plain, _, part = value.partition("-")
    if part:
        way = f", with {part} = true" if part in ("security", "updates") else ""
        raise ValueError(f"{value!r} is a part of {plain!r}, and a suite is a whole release: name that{way}")
    if value in ENDED:
        raise ValueError(f"Debian {value!r} has ended; there are {' and '.join(BUILT_WITH)}")
    return value


SuiteName = Annotated[
    str,
    AfterValidator(check_suite),
    Field(json_schema_extra={"pattern": f"^{_WORD}$", "examples": list(BUILT_WITH)}),
]
"""The name of a release as users write it."""
Snapshot = Annotated[
    str,
    AfterValidator(check_snapshot),
    Field(json_schema_extra={"pattern": "^[0-9]{8}T[0-9]{6}Z$", "examples": ["20261101T000000Z"]}),
]
