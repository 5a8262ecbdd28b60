"""Pictures as SVG: the share over time, and badges. Pure.

Colours and sizes of letters come from the style sheet where a page has one; a badge has its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape

from orchestrator.ledger.entries import Verdict
from orchestrator.report.document import Moment
from orchestrator.report.plain import plain

_WIDE, _HIGH = 720, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 12, 12, 28
_COLOURS: Final = {
    Verdict.AGREED: "#1a7f37",
    Verdict.VARIED: "#116329",
    Verdict.FLAKY: "#8a5300",
    Verdict.DIFFERS: "#b32020",
    Verdict.FAILED: "#5b4b8a",
    Verdict.UNDECIDED: "#57606a",
}
"""White letters on each have a contrast of 4.5 or more (WCAG 2.2, 1.4.3)."""
_LETTER: Final = 6.6
"""The width of a letter in a badge, about, in units of its picture."""


def chart(history: Sequence[Moment]) -> str:
    """The share of packages that agree, a point a day. Nothing where there is no share to draw."""
    points = [(place, each) for place, each in enumerate(history) if each.share is not None]
    if not points:
        return ""
    across, down = _WIDE - _LEFT - _RIGHT, _HIGH - _TOP - _BOTTOM
    last = max(len(history) - 1, 1)

    def at(place: int, share: float) -> str:
        return f"{_LEFT + across * place / last:.1f},{_TOP + down * (1 - share):.1f}"

    line = " ".join(at(place, each.share or 0) for place, each in points)
    first_day, last_day = history[0].day, history[-1].day
    latest = points[-1][1]
    said = f"The share of packages that agree, from {first_day} to {last_day}; lately {latest.share:.1%}"
    grid = [
        f'<line x1="{_LEFT}" x2="{_WIDE - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{part:.0%}</text>'
        for part, y in ((part, _TOP + down * (1 - part)) for part in (0, 0.25, 0.5, 0.75, 1))
    ]
    dots = "".join(
        '<circle cx="{}" cy="{}" r="2.5"/>'.format(*at(place, each.share or 0).split(","))
        for place, each in (points if len(points) <= 60 else points[-1:])
    )
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDE} {_HIGH}" role="img" aria-labelledby="chart-title">'
        f'<title id="chart-title">{escape(said)}</title><g class="grid">{"".join(grid)}</g>'
        f'<polyline points="{line}"/><g class="dots">{dots}</g>'
        f'<text x="{_LEFT}" y="{_HIGH - 8}">{first_day}</text>'
        f'<text x="{_WIDE - _RIGHT}" y="{_HIGH - 8}" text-anchor="end">{last_day}</text></svg>'
    )


def badge(label: str, said: str, colour: str) -> bytes:
    """A small picture for a project's own page: what it is about, and what it came to."""
    one, other = plain(label, 60), plain(said, 60)
    left, right = (round(len(each) * _LETTER) + 14 for each in (one, other))
    whole, title = left + right, escape(f"{one}: {other}", {'"': "&quot;"})
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{whole}" height="20" role="img" '
        f'aria-label="{title}">'
        f"<title>{title}</title>"
        f'<rect width="{left}" height="20" fill="#3d444d"/>'
        f'<rect x="{left}" width="{right}" height="20" fill="{colour}"/>'
        '<g fill="#ffffff" font-family="DejaVu Sans,Verdana,sans-serif" font-size="11" text-anchor="middle">'
        f'<text x="{left / 2:.1f}" y="14" textLength="{left - 14}">{escape(one)}</text>'
        f'<text x="{left + right / 2:.1f}" y="14" textLength="{right - 14}">{escape(other)}</text>'
        "</g></svg>\n"
    ).encode()


def badge_of(verdict: Verdict) -> bytes:
    """A package's."""
    return badge("builds", verdict.value, _COLOURS[verdict])


def badge_of_share(share: float | None) -> bytes:
    """That of all packages."""
    if share is None:
        return badge("builds that agree", "none yet", _COLOURS[Verdict.UNDECIDED])
    worst = Verdict.AGREED if share >= 0.95 else Verdict.FLAKY if share >= 0.75 else Verdict.DIFFERS
    return badge("builds that agree", f"{share:.1%}", _COLOURS[worst])
