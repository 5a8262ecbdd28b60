"""How long objects stay, as people write it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.ground.errors import TallyError
from orchestrator.publishing.objects.retention import Keeping, Lock, Mode, parse

NOW = datetime(2026, 11, 29, 12, 0, 0, 500, tzinfo=UTC)
SECOND = NOW.replace(microsecond=0)


@pytest.mark.parametrize(
    ("retain", "until"),
    [
        ("365d", SECOND + timedelta(days=365)),
        ("2w", SECOND + timedelta(days=14)),
        ("100y", SECOND + timedelta(days=36500)),
        ("2036-01-01", datetime(2036, 1, 1, tzinfo=UTC)),
        ("2036-01-01T00:00:00+02:00", datetime(2035, 12, 31, 22, tzinfo=UTC)),
    ],
)
def test_until(retain: str, until: datetime) -> None:
    found = parse(retain, Mode.COMPLIANCE, NOW, mutable=False)
    assert found == Keeping(Lock(until, Mode.COMPLIANCE))


@pytest.mark.parametrize(
    ("retain", "said"),
    [
        ("0d", "is over already"),
        ("2020-01-01", "is over already"),
        ("-5d", "is no time"),
        ("", "is no time"),
        ("5", "is no time"),
        ("1h", "is no time"),
        ("365 d", "is no time"),
        ("٣d", "is no time"),
        ("\x1b[2Jd", "is no time"),
        ("2036-13-01", "is no time"),
        ("101y", "longer than 100 years"),
        ("999999y", "longer than 100 years"),
        ("9999-12-31", "longer than 100 years"),
        ("9999-12-31T23:59:59-23:59", "longer than 100 years"),
    ],
)
def test_refused(retain: str, said: str) -> None:
    with pytest.raises(TallyError, match=said) as caught:
        parse(retain, Mode.GOVERNANCE, NOW, mutable=False)
    assert "\x1b" not in caught.value.message
    assert caught.value.hint


def test_one_without_the_other() -> None:
    with pytest.raises(TallyError, match="does not say who may end the lock"):
        parse("1d", None, NOW, mutable=False)
    with pytest.raises(TallyError, match="--mode is about a retention"):
        parse(None, Mode.COMPLIANCE, NOW, mutable=True)
    assert parse(None, None, NOW, mutable=True) == Keeping(mutable=True)
