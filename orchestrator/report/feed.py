"""An Atom feed of verdicts that changed. Pure.

Specification: RFC 4287. Links are relative, so that the site can be served from anywhere.
"""

from __future__ import annotations

import uuid
from typing import Final
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from orchestrator.evidence.canonical import seconds
from orchestrator.report.document import Package, Report
from orchestrator.report.plain import plain

FEED: Final = "feed.atom"
_LATEST: Final = 100
_BEGINNING: Final = "1970-01-01T00:00:00Z"
_OURS: Final = uuid.UUID("6c1fb2d5-6a3c-5f4e-9d0c-7b1c3a8f2e10")
"""By which the same change has the same id in every run (RFC 9562, 5.5)."""


def feed(report: Report) -> bytes:
    """The latest changes, the newest first: a package that has its first verdict is one, too."""
    latest = sorted(report.packages, key=lambda each: (each.since, each.page), reverse=True)[:_LATEST]
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        '<feed xmlns="http://www.w3.org/2005/Atom">',
        f"  <title>{escape(plain(report.title))}</title>",
        f"  <id>{uuid.uuid5(_OURS, report.title).urn}</id>",
        f"  <updated>{seconds(latest[0].since) if latest else _BEGINNING}</updated>",
        f'  <link rel="self" href={quoteattr(FEED)}/>',
        '  <link rel="alternate" href="index.html" type="text/html"/>',
        "  <author><name>tally report</name></author>",
        *(line for each in latest for line in _entry(each)),
        "</feed>",
    ]
    return ("\n".join(lines) + "\n").encode()


def _entry(package: Package) -> list[str]:
    name = plain(package.name, 200)
    known = "\0".join((package.name, package.system, package.target, package.verdict, seconds(package.since)))
    before = f", {package.before.verdict} until {seconds(package.before.until)}" if package.before else ""
    said = f"{name} is {package.verdict.value} since {seconds(package.since)}{before}"
    return [
        "  <entry>",
        f"    <title>{escape(f'{name}: {package.verdict.value}')}</title>",
        f"    <id>{uuid.uuid5(_OURS, known).urn}</id>",
        f"    <updated>{seconds(package.since)}</updated>",
        f'    <link rel="alternate" href={quoteattr(quote(package.page))} type="text/html"/>',
        f"    <summary>{escape(said)}</summary>",
        "  </entry>",
    ]
