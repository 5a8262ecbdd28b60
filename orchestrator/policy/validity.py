"""When a key counts: its window and its revocation, judged without believing the signer. Pure.

A signature proves no time. What is known of when it was made: not later than a trusted timestamp over it,
else not later than now. What a statement claims of its own time can refuse a signature and never accept
one: whoever holds an expired or a stolen key can claim any time. docs/explanation/trust-model.md says more.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from orchestrator.ground.values import dataclass
from orchestrator.policy.verdict import Code, Reason


@dataclass(frozen=True, slots=True)
class Revocation:
    """From `at` on (UTC) the key counts for nothing."""

    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Moment:
    """What is known of when something was signed. All times are UTC."""

    now: datetime
    proven: datetime | None
    """A trusted time at which the signature was there (RFC 3161)."""
    claimed: datetime | None
    """The time that the signed document itself tells."""
    last: datetime | None = None
    """The latest such trusted time, where there are several; `proven` is the earliest. A beginning is judged
    by this one, an end by the other: so no timestamp that is taken away helps."""

    @property
    def latest(self) -> datetime:
        """The signature was made at this time or before."""
        return self.now if self.proven is None else self.proven


@dataclass(frozen=True, slots=True)
class Validity:
    """A key's window and revocation; None: without end."""

    since: datetime | None = None
    until: datetime | None = None
    """The first moment at which it no longer counts."""
    revocation: Revocation | None = None

    def against(self, name: str, what: str, moment: Moment) -> Iterator[Reason]:
        """The reasons for which the key `name` does not count for `what`, signed at `moment`."""
        claimed = moment.claimed if moment.proven is None else None
        said = f"nothing proves that {what} was signed before"
        if self.revocation is not None:
            at, reason = self.revocation.at, self.revocation.reason
            if moment.latest >= at or (claimed is not None and claimed >= at):
                yield Reason(Code.KEY_REVOKED, f"{name} was revoked on {at:%Y-%m-%d} ({reason}), and {said}")
        if self.until is not None and (
            moment.latest >= self.until or (claimed is not None and claimed >= self.until)
        ):
            yield Reason(Code.KEY_EXPIRED, f"{name} counts until {shown(self.until)}, and {said}")
        if self.since is None:
            return
        first = shown(self.since)
        # without a timestamp nothing proves a beginning, and one that were taken away must not help
        if moment.proven is None:
            yield Reason(
                Code.TIMESTAMP_MISSING,
                f"{name} counts from {first}, and no timestamp proves that {what} was signed after that",
            )
        if (moment.last or moment.proven or claimed or moment.now) < self.since:
            yield Reason(Code.KEY_NOT_YET_VALID, f"{name} counts from {first}, and {what} was signed before")


ALWAYS: Final = Validity()


def shown(moment: datetime) -> str:
    """A time as reasons tell it."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"
