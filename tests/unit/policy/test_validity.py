"""When a key counts: what nobody has proven never helps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.policy.validity import Moment, Revocation, Validity
from orchestrator.policy.verdict import Code

NOW = datetime(2026, 11, 22, tzinfo=UTC)
DAY = timedelta(days=1)
times = st.integers(-400, 400).map(lambda days: NOW + days * DAY)
maybe = st.none() | times
validities = st.builds(Validity, maybe, maybe, st.none() | st.builds(Revocation, times, st.just("lost")))


def codes(
    validity: Validity, *, proven: datetime | None = None, claimed: datetime | None = None
) -> list[Code]:
    return [each.code for each in validity.against("the key", "it", Moment(NOW, proven, claimed))]


def test_without_a_window_it_counts() -> None:
    assert codes(Validity()) == codes(Validity(), claimed=NOW - 9999 * DAY) == []


def test_expired_whatever_the_signer_claims() -> None:
    ended = Validity(until=NOW - DAY)
    assert codes(ended) == [Code.KEY_EXPIRED]
    assert codes(ended, claimed=NOW - 2 * DAY) == [Code.KEY_EXPIRED]
    assert codes(ended, proven=NOW - 2 * DAY) == []
    assert codes(ended, proven=NOW - 2 * DAY, claimed=NOW) == []
    assert codes(ended, proven=NOW - DAY) == [Code.KEY_EXPIRED], "`until` is the first moment without it"


def test_a_claim_refuses() -> None:
    assert codes(Validity(until=NOW + DAY), claimed=NOW + 2 * DAY) == [Code.KEY_EXPIRED]
    later = Validity(revocation=Revocation(NOW + DAY, "planned"))
    assert codes(later) == []
    assert codes(later, claimed=NOW + DAY) == [Code.KEY_REVOKED]


def test_revoked() -> None:
    revoked = Validity(revocation=Revocation(NOW - DAY, "the laptop was stolen"))
    assert codes(revoked) == codes(revoked, claimed=NOW - 5 * DAY) == [Code.KEY_REVOKED]
    assert codes(revoked, proven=NOW - 2 * DAY) == []
    assert codes(revoked, proven=NOW - DAY) == [Code.KEY_REVOKED]
    (reason,) = revoked.against("the key", "it", Moment(NOW, None, None))
    assert "the laptop was stolen" in reason.sentence


def test_a_beginning_needs_a_proof() -> None:
    begun = Validity(since=NOW - DAY)
    assert codes(begun) == codes(begun, claimed=NOW) == [Code.TIMESTAMP_MISSING]
    assert codes(begun, proven=NOW) == []
    assert codes(begun, proven=NOW - 2 * DAY) == [Code.KEY_NOT_YET_VALID]
    assert codes(begun, claimed=NOW - 2 * DAY) == [Code.TIMESTAMP_MISSING, Code.KEY_NOT_YET_VALID]


@given(validities, times.filter(lambda each: each <= NOW), maybe)
def test_taking_a_timestamp_away_never_helps(
    validity: Validity, proven: datetime, claimed: datetime | None
) -> None:
    if codes(validity, proven=proven, claimed=claimed):
        assert codes(validity, claimed=claimed)


@given(validities, times)
def test_claiming_a_time_never_helps(validity: Validity, claimed: datetime) -> None:
    if codes(validity):
        assert codes(validity, claimed=claimed)
