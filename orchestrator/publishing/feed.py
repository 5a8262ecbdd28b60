"""An Atom feed of the releases in a static folder. Pure.

Specification: RFC 4287. Links are relative, so that the folder can be served from anywhere.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from orchestrator.policy.summary import named
from orchestrator.publishing.flat import FEED, Entry, FlatIndex

_LATEST: Final = 100
_BEGINNING: Final = "1970-01-01T00:00:00Z"


def feed(index: FlatIndex) -> bytes:
    """The feed of the latest releases, the newest first."""
    latest = sorted(index.entries, key=lambda each: (each.published, each.name), reverse=True)[:_LATEST]
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        '<feed xmlns="http://www.w3.org/2005/Atom">',
        "  <title>Releases</title>",
        f"  <id>{escape(index.id)}</id>",
        f"  <updated>{latest[0].published if latest else _BEGINNING}</updated>",
        f'  <link rel="self" href={quoteattr(FEED)}/>',
        "  <author><name>tally publish</name></author>",
        *(line for each in latest for line in _entry(each)),
        "</feed>",
    ]
    return ("\n".join(lines) + "\n").encode()


def _entry(entry: Entry) -> list[str]:
    artifact = entry.artifact
    return [
        "  <entry>",
        f"    <title>{escape(entry.name)}</title>",
        f"    <id>{named(entry.release.sha256)}</id>",
        f"    <updated>{entry.published}</updated>",
        f'    <link rel="alternate" href={quoteattr(quote(artifact.file))}/>',
        f'    <link rel="enclosure" href={quoteattr(quote(artifact.file))} length="{artifact.size}"/>',
        f'    <link rel="related" href={quoteattr(quote(entry.release.file))} type="application/json"/>',
        f"    <summary>sha256 {artifact.sha256.hex}</summary>",
        "  </entry>",
    ]
