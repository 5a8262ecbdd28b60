"""Which of Debian's suites packages are from: a value that recipes, tally.toml and the lock share. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Final

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
_WORD: Final = "[a-z][a-z0-9-]*"


@dataclass(frozen=True, slots=True, order=True)
class Suite:
    """One release of Debian, its section `main`."""

    name: str
    """Its own name, `trixie`."""

    def __str__(self) -> str:
        return self.name


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
        raise ValueError(f"{value!r} is a part of {plain!r}, and a suite is a whole release: name that")
    if value in ENDED:
        raise ValueError(f"Debian {value!r} has ended; there are {' and '.join(BUILT_WITH)}")
    return value


SuiteName = Annotated[
    str,
    AfterValidator(check_suite),
    Field(json_schema_extra={"pattern": f"^{_WORD}$", "examples": list(BUILT_WITH)}),
]
"""The name of a release as users write it."""
