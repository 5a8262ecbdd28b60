"""How long published objects cannot be deleted, as people write it. Pure.

Amazon S3's user guide, "Locking objects with Object Lock", has the modes: nobody ends `compliance` sooner;
`governance` ends whoever has a permission of its own.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from orchestrator.ground.errors import TallyError
from orchestrator.ground.values import dataclass

_SPAN: Final = re.compile(r"([0-9]{1,6})([dwy])")
_DAYS: Final = {"d": 1, "w": 7, "y": 365}
_LONGEST: Final = 100 * 365
"""Days: what servers take, and far more than a slip of the finger should be able to order."""
_HINT: Final = "give --retain 365d, 52w or 10y, or a day or time to come, as 2036-01-01"


class Mode(StrEnum):
    """Who can end a lock before its time."""

    COMPLIANCE = "compliance"
    GOVERNANCE = "governance"


@dataclass(frozen=True, slots=True)
class Lock:
    """Until when an object stays, and who can change that."""

    until: datetime
    mode: Mode


@dataclass(frozen=True, slots=True)
class Keeping:
    """What the user wants of a bucket."""

    lock: Lock | None = None
    """None: what the bucket itself gives to every object."""
    mutable: bool = False
    """Whether a bucket without locks will do."""


def parse(retain: str | None, mode: Mode | None, now: datetime, *, mutable: bool) -> Keeping:
    """Read `--retain`, `--mode` and `--allow-mutable`. Raises TallyError."""
    if retain is None:
        if mode is not None:
            raise TallyError("--mode is about a retention, and none is given", hint=_HINT)
        return Keeping(mutable=mutable)
    until = _until(retain, now)
    if mode is None:
        raise TallyError(
            f"--retain {retain} does not say who may end the lock sooner",
            hint="give --mode compliance: nobody may, not even you; or --mode governance: whoever has the "
            "permission to bypass it",
        )
    return Keeping(Lock(until, mode), mutable)


def _until(retain: str, now: datetime) -> datetime:
    shown = ascii(retain[:40])
    if found := _SPAN.fullmatch(retain):
        days = int(found[1]) * _DAYS[found[2]]
        if days > _LONGEST:
            raise TallyError(f"--retain {shown} is longer than 100 years", hint=_HINT)
        until = now + timedelta(days=days)
    else:
        try:
            until = datetime.fromisoformat(retain)
        except ValueError:
            raise TallyError(f"--retain {shown} is no time", hint=_HINT) from None
        until = until if until.tzinfo else until.replace(tzinfo=UTC)
    if until <= now:
        raise TallyError(f"--retain {shown} is over already", hint=_HINT)
    if until > now + timedelta(days=_LONGEST + 1):
        raise TallyError(f"--retain {shown} is longer than 100 years from now", hint=_HINT)
    return until.astimezone(UTC).replace(microsecond=0)
