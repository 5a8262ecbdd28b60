"""Which time zone a wheel was made in: what the C library says of a zone is what is found of its times."""

from __future__ import annotations

import os
import time
from calendar import timegm
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from orchestrator.served.zones import zone_of

MOMENTS = [
    int(datetime(year, month, day, hour, 30, tzinfo=UTC).timestamp())
    for year in (2021, 2024, 2026)
    for month, day in ((1, 15), (3, 10), (3, 29), (4, 2), (7, 1), (10, 6), (11, 3), (11, 22))
    for hour in (0, 5, 13, 22)
]


@pytest.fixture
def _zones_end() -> Iterator[None]:
    before = os.environ.get("TZ")
    yield
    if before is None:
        os.environ.pop("TZ", None)
    else:
        os.environ["TZ"] = before
    time.tzset()


def local(zone: str, moment: int) -> int:
    os.environ["TZ"] = zone
    time.tzset()
    return timegm(time.localtime(moment))


@pytest.mark.parametrize(
    "zone",
    [
        "UTC+5",
        "UTC-5:45",
        "PST8PDT,M3.2.0,M11.1.0",
        "CET-1CEST,M3.5.0,M10.5.0/3",
        "GMT0BST,M3.5.0/1,M10.5.0",
        "AEST-10AEDT,M10.1.0,M4.1.0/3",
    ],
)
@pytest.mark.usefixtures("_zones_end")
def test_a_zone_is_found_by_its_times(zone: str) -> None:
    pairs = [(moment, local(zone, moment)) for moment in MOMENTS]
    found = zone_of(pairs)
    assert found is not None
    wrong = [moment for moment, there in pairs if local(found, moment) != there]
    assert len(wrong) * 20 <= len(pairs)  # the hour at which Britain changes is another than France's


def test_utc_is_none() -> None:
    assert zone_of([(moment, moment) for moment in MOMENTS]) is None
    assert zone_of([]) is None


def test_times_that_are_in_no_zone_are_none() -> None:
    assert zone_of([(moment, moment + 7 * number) for number, moment in enumerate(MOMENTS, 1)]) is None
    assert zone_of([(moment, moment + 40 * 3600) for moment in MOMENTS]) is None


def test_one_time_for_all_files_is_no_zone() -> None:
    assert zone_of([(moment, MOMENTS[0]) for moment in MOMENTS]) is None
