"""Whether what stands at a place is what a builder's probe saw, or the time of its build. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from orchestrator.agreement.cause import Spot, Window
from orchestrator.evidence.kept import Maker

_LOOKED_AT: Final = (
    "kernelVersion",
    "kernel",
    "cpuModel",
    "memoryKiB",
    "cpuCount",
    "buildCores",
    "fileSystemType",
    "deviceNumber",
)
_FORMS: Final = (
    "%s",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M:%S",
    "%a %b %e %H:%M:%S",
    "%H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%H:%M",
    "%Y-%m-%d",
    "%Y%m%d",
    "%b %e %Y",
    "%d %b %Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%j",
    "%Y",
)
_LONGEST: Final = 300
"""Seconds of a build that its times are looked for in."""
_SLACK: Final = timedelta(seconds=2)
_CLOCK_SLACK: Final = timedelta(seconds=90)
_BIG = timedelta(minutes=10)


def facts_at(spot: Spot | None, makers: tuple[Maker | None, Maker | None]) -> Mapping[str, tuple[str, str]]:
    """Word of what a probe saw to both values, for those that stand on both sides where these differ."""
    if spot is None or makers[0] is None or makers[1] is None:
        return {}
    found = {}
    for word in _LOOKED_AT:
        seen = [maker.surroundings.get(word) for maker in makers if maker is not None]
        if None in seen or seen[0] == seen[1]:
            continue
        values = str(seen[0]), str(seen[1])
        names = tuple(value.removeprefix("Linux ") for value in values)
        if _stands(names[0], spot.first) and _stands(names[1], spot.second):
            found[word] = (values[0], values[1])
    return found


def clocks_at(
    spot: Spot | None, makers: tuple[Maker | None, Maker | None], derivation: str
) -> tuple[str, str] | None:
    """The two values, where each is a time, in one form, at which its own side was built."""
    if spot is None or makers[0] is None or makers[1] is None:
        return None
    try:
        moments = [list(_moments(maker, makers[0], derivation)) for maker in makers if maker is not None]
    except OverflowError:  # a release may tell of any time
        return None
    if not all(moments):
        return None
    for form in _FORMS:
        one = _standing({_text(form, moment) for moment in moments[0]}, spot.first)
        other = _standing({_text(form, moment) for moment in moments[1]}, spot.second)
        if one is not None and other is not None and one != other:
            return one, other
    return None


def _moments(maker: Maker, first: Maker, derivation: str) -> Iterator[datetime]:
    """Every second in which it was built, by the clock that the build saw."""
    span = maker.spans.get(derivation)
    if span is None:
        return
    usual = maker.surroundings.get("started") or first.surroundings.get("clock")
    ahead = _clock(maker.surroundings) - _moment(usual)
    slack = _SLACK
    if abs(ahead) < _BIG:
        ahead = timedelta()
    else:
        slack = _CLOCK_SLACK
    moment, end = span.started - slack + ahead, span.finished + slack + ahead
    end = min(end, moment + timedelta(seconds=_LONGEST))
    while moment <= end:
        yield moment.astimezone(UTC)
        moment += timedelta(seconds=1)


def _clock(surroundings: Mapping[str, Any]) -> datetime:
    return _moment(surroundings.get("clock"))


def _moment(said: object) -> datetime:
    try:
        found = datetime.fromisoformat(str(said))
    except ValueError:
        return datetime.fromtimestamp(0, UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _text(form: str, moment: datetime) -> str:
    return str(int(moment.timestamp())) if form == "%s" else moment.strftime(form)


def _standing(texts: set[str], side: Window) -> str | None:
    return next((text for text in sorted(texts) if _stands(text, side)), None)


def _stands(text: str, side: Window) -> bool:
    """Whether it is there as a word, over the place where the sides first differ."""
    for found in re.finditer(rb"(?<![\w.])" + re.escape(text.encode()) + rb"(?![\w])", side.data):
        if found.start() <= side.position <= found.end():
            return True
    return False
