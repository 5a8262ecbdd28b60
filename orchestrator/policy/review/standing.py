"""Whether a key or an identity can count at all: its window, its revocation, and who could prove a time."""

from __future__ import annotations

from datetime import datetime

from orchestrator.policy.review.advice import Advice
from orchestrator.policy.validity import Validity, shown

ROOT = "name one in `trusted-root`, or give it with --trusted-root, here and to `tally verify`"
_CLOCK = f"a trusted root with a timestamp authority proves times: {ROOT}"


def never(
    key: str, name: str, validity: Validity, *, stamped: bool, now: datetime, ends: datetime | None
) -> Advice | None:
    """Why nothing that `name` signs counts, now or later; None: something may.

    `stamped`: whether anything can prove when it signed; `ends` is the policy's own end. As
    `Validity.against` judges: an end or a revocation that is past still leaves what was proven to be older.
    """
    since, until, revocation = validity.since, validity.until, validity.revocation
    if since is not None and not stamped:
        said = (
            f"{name} counts from {shown(since)}, which a trusted timestamp alone proves, and none can be had"
        )
        return Advice(f"{key}.from", said, f"{_CLOCK}; or leave `from` out")
    if since is not None and revocation is not None and revocation.at <= since:
        said = f"{name} is revoked from {shown(revocation.at)} on, and counts from {shown(since)}: never"
        return Advice(f"{key}.revoked", said, "remove it, or mend one of the two times")
    if since is not None and ends is not None and ends <= since:
        said = f"{name} counts from {shown(since)}, and the policy ends before that"
        return Advice(f"{key}.from", said, "give the policy a later `expires`, or the key an earlier `from`")
    if stamped:
        return None
    if until is not None and until <= now:
        said = f"{name} counted until {shown(until)}, and nothing can prove that a signature is older"
        return Advice(f"{key}.until", said, f"remove it, or for what it signed before: {_CLOCK}")
    return None


def revoked(validity: Validity, *, stamped: bool, now: datetime) -> bool:
    """Whether a revocation leaves nothing. That is no advice: a policy keeps such keys to tell why."""
    return not stamped and validity.revocation is not None and validity.revocation.at <= now
