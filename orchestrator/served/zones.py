"""Which time zone makes the times in a zip, which names none, of those in a tar. Pure.

Some backends write local time. Zones are told as POSIX has them (XBD 8.3, `TZ`), west being positive, with
the rules for summer time of where most packages come from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

_STEP: Final = 900  # seconds; every offset of today is a multiple of a quarter of an hour
_FARTHEST: Final = 15 * 3600
_HOUR: Final = 3600
_SUMMERS: Final = {
    "M3.2.0,M11.1.0": (-6 * _HOUR, (3, 2, 2), (11, 1, 2)),
    "M3.5.0,M10.5.0/3": (1 * _HOUR, (3, 5, 2), (10, 5, 3)),
    "M10.1.0,M4.1.0/3": (10 * _HOUR, (10, 1, 2), (4, 1, 3)),
}
"""North America, Europe, Australia: where that is, then the day on which summer time begins, and ends.

A day is the month, which Sunday of it (5: the last), and the hour by the clock then.
"""


def zone_of(pairs: Sequence[tuple[int, int]]) -> str | None:
    """The zone for pairs of a time (UTC, seconds) and the same as local time; None: UTC, or none known.

    It is one in which most are right, and more than in any other.
    """
    offsets = Counter(local - moment for moment, local in pairs)
    best, most = None, max(offsets[0], len(pairs) // 2)
    for offset in sorted(offsets):
        if offset % _STEP or abs(offset) > _FARTHEST:
            continue
        for name, standard, rule in _zones(offset):
            right = sum(moment + _offset(moment, standard, rule) == local for moment, local in pairs)
            if right > most:
                best, most = name, right
    return best


def _zones(offset: int) -> Iterator[tuple[str, int, str | None]]:
    """Zones in which an offset may be: TZ, standard time's offset, and the rule of summer time."""
    if offset:
        yield f"UTC{_posix(offset)}", offset, None
    for standard in (offset, offset - _HOUR):
        for rule in sorted(_SUMMERS, key=lambda rule: abs(_SUMMERS[rule][0] - standard)):
            yield f"<std>{_posix(standard)}<dst>{_posix(standard + _HOUR)},{rule}", standard, rule


def _posix(offset: int) -> str:
    hours, minutes = divmod(abs(offset) // 60, 60)
    return f"{'-' if offset > 0 else '+'}{hours}" + (f":{minutes:02}" if minutes else "")


def _offset(moment: int, standard: int, rule: str | None) -> int:
    """Seconds east of UTC at a moment."""
    if rule is None:
        return standard
    _, (begin_month, begin_sunday, begin_hour), (end_month, end_sunday, end_hour) = _SUMMERS[rule]
    here = datetime.fromtimestamp(moment, UTC) + timedelta(seconds=standard)
    begin = _sunday(here.year, begin_month, begin_sunday) + timedelta(hours=begin_hour)
    end = _sunday(here.year, end_month, end_sunday) + timedelta(hours=end_hour - 1)
    summer = begin <= here < end if begin < end else not end <= here < begin
    return standard + _HOUR if summer else standard


def _sunday(year: int, month: int, number: int) -> datetime:
    first = datetime(year, month, 1, tzinfo=UTC)
    day = first + timedelta(days=(6 - first.weekday()) % 7 + 7 * (number - 1))
    return day if day.month == month else day - timedelta(days=7)
